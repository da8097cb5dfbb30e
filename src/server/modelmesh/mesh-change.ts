/** What callers change of a mesh: plain data, so that several processes can follow. */
import type { MeshModelInfo } from '../../grpc/model-mesh.ts'
import type { AliasTarget, Expected } from '../../repository/aliases.ts'
import type { TargetChange } from '../../repository/virtual-models.ts'

export interface RegisterChange {
  readonly kind: 'register'
  readonly id: string
  readonly info: MeshModelInfo
  /** It goes with the last vmodel that leads to it. */
  readonly isAutoDeleted: boolean
  /** Loaded without a request. */
  readonly isLoadedNow: boolean
  /** Milliseconds since 1970 at which it counts as used last. */
  readonly lastUsedTime: number
}

export interface UnregisterChange {
  readonly kind: 'unregister'
  readonly id: string
  /** Nothing leads to it any more where this was asked for; where something does, it stays. */
  readonly isAutomatic: boolean
}

export interface VModelChange extends TargetChange {
  readonly kind: 'vmodel'
  readonly info?: MeshModelInfo
  readonly isAutoDeleted: boolean
  readonly isLoadedNow: boolean
  readonly lastUsedTime: number
}

export interface DeleteVModelChange {
  readonly kind: 'delete-vmodel'
  readonly id: string
  readonly owner?: string
}

export interface AliasChange {
  readonly kind: 'alias'
  readonly id: string
  /** None where it is to be deleted. */
  readonly targets: readonly AliasTarget[]
  readonly expected?: Expected
}

export type MeshChange = RegisterChange | UnregisterChange | VModelChange | DeleteVModelChange | AliasChange

/** A later change with the same key takes the place of an earlier one. */
export function keyOf({ kind, id }: MeshChange): string {
  switch (kind) {
    case 'register':
    case 'unregister':
      return `model ${id}`
    case 'vmodel':
    case 'delete-vmodel':
      return `vmodel ${id}`
    case 'alias':
      return `alias ${id}`
  }
}

/** True for what leaves nothing behind. */
export function isRemoval(change: MeshChange): boolean {
  const { kind } = change
  return kind === 'unregister' || kind === 'delete-vmodel' || (kind === 'alias' && change.targets.length === 0)
}

/**
 * What is left of changes for who starts later, and makes them again from first to last.
 *
 * @param kept by {@link keyOf}, in the order in which they were made; is changed
 */
export function keepChange(kept: Map<string, MeshChange>, change: MeshChange): void {
  if (change.kind === 'vmodel' && change.info !== undefined) {
    const { info, target: id, isAutoDeleted, lastUsedTime } = change
    const register = { kind: 'register', id, info, isAutoDeleted, isLoadedNow: false, lastUsedTime } as const
    if (!kept.has(keyOf(register))) kept.set(keyOf(register), register)
  }
  const key = keyOf(change)
  kept.delete(key)
  if (!isRemoval(change)) kept.set(key, change)
}
