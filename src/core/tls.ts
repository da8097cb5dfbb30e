/** What a door needs for TLS, as the files hold it. */

export interface TlsKeys {
  /** The certificate with those between it and the root, PEM. */
  readonly certificate: Buffer
  /** Its private key, PEM. */
  readonly key: Buffer
  /** Who must have signed the certificates of callers, PEM; callers need none where absent. */
  readonly ca?: Buffer
}
