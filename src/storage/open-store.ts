/** The client of a URI's store, imported when it is first used. */
import type { Log } from '../core/log.ts'
import type { Environment } from './environment.ts'
import { httpStore } from './http-store.ts'
import type { RemoteKind } from './location.ts'
import type { Store } from './store.ts'

export interface StoreOptions {
  readonly environment: Environment
  readonly log: Log
}

/** @throws InferenceError `failed_precondition` with the command to type where the client's package is not installed */
export async function openStore(
  { kind, uri }: { readonly kind: RemoteKind; readonly uri: string },
  { environment, log }: StoreOptions,
): Promise<Store> {
  switch (kind) {
    case 'http':
      return httpStore(uri, environment)
    case 's3':
      return (await import('./s3-store.ts')).s3Store(uri, environment)
    case 'gs':
      return (await import('./gs-store.ts')).gsStore(uri, environment, log)
    case 'azure':
      return (await import('./azure-store.ts')).azureStore(uri, environment)
    case 'hf':
      return (await import('./hf-store.ts')).hfStore(uri, environment)
  }
}
