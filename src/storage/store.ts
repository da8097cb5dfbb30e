/** What every store can do, whatever its protocol: list objects, and open one of them somewhere in its midst. */

/** What the store itself says of an object's bytes. */
export interface Checksum {
  readonly algorithm: 'md5' | 'sha1' | 'sha256'
  /** Lower case. */
  readonly hex: string
  /** Hashed before the bytes: git hashes a header first. */
  readonly prefix?: string
}

/** An object as it was when it was listed. */
export interface StoredObject {
  /** Where it belongs below the model's directory, with slashes. Made by the store: not to be trusted. */
  readonly path: string
  /** Its absolute address, without secrets: the same for the same object, whoever asks. */
  readonly address: string
  readonly bytes?: number
  /** The same tag, the same bytes: an ETag, a generation, a commit. Without one, nothing is taken up where it ended. */
  readonly tag?: string
  readonly checksum?: Checksum
  /** How its content is packed, where the store says so and the name does not. */
  readonly contentType?: string
}

export interface OpenedObject {
  /** Where `body` begins: at what was asked for, or at 0 where the store cannot begin elsewhere. */
  readonly offset: number
  /** All bytes of the object, where only now is known. */
  readonly bytes?: number
  readonly checksum?: Checksum
  readonly body: AsyncIterable<Uint8Array>
}

export interface Listing {
  readonly objects: readonly StoredObject[]
  /** The URI names its one object itself, not a directory that happens to hold one. */
  readonly isFile: boolean
}

/** The objects that one URI names, by a client of its store. */
export interface Store {
  /** For messages: `S3`. */
  readonly name: string
  /** The URI without secrets, for messages. */
  readonly uri: string
  /**
   * @throws InferenceError `unavailable` where another try may help; `not_found`, `unauthenticated`, `permission_denied`,
   *   `failed_precondition`, `invalid_argument` where not
   */
  list(signal: AbortSignal): Promise<Listing>
  /**
   * @param offset first byte that is wanted
   * @returns undefined where the object is no longer the one that was listed
   * @throws as `list` does
   */
  open(object: StoredObject, offset: number, signal: AbortSignal): Promise<OpenedObject | undefined>
  /** Closes connections. */
  close(): void
}
