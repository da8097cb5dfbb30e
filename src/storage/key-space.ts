/** Stores without directories: which keys a URI means, and where they go. */

/** `s3://bucket/a/b` → bucket and `a/b`, as they stand there: keys are not encoded. */
export function bucketAndKey(uri: string): { readonly bucket: string; readonly key: string } {
  const [, bucket = '', key = ''] = /^[a-z\d]+:\/\/([^/]*)\/?(.*)$/is.exec(uri) ?? []
  return { bucket, key: key.replace(/\/+$/, '') }
}

/** Keys that begin so lie in the directory that the key names. */
export function prefixOf(key: string): string {
  return key === '' ? '' : `${key}/`
}

/** @returns where a key goes below the model's directory; undefined for one that only marks a directory */
export function pathBelow(prefix: string, key: string): string | undefined {
  const path = key.slice(prefix.length).replace(/^\/+/, '')
  return path === '' || path.endsWith('/') ? undefined : path
}

/** `a/b/model.onnx` → `model.onnx` */
export function lastOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1)
}
