/** The limit on message sizes, as grpc-js takes it, told with the setting that raises it. */

/**
 * grpc-js refuses a message that is too large before any of our code sees it, with a text that it makes from the limit.
 * This limit compares like the number and reads as the number and the setting's name.
 *
 * @param maxBytes -1: unlimited
 */
export function messageLimit(maxBytes: number): number {
  if (maxBytes === -1) return maxBytes
  const limit = {
    [Symbol.toPrimitive]: (hint: string) =>
      hint === 'string' ? `${maxBytes} bytes; --max-request-bytes sets the limit` : maxBytes,
  }
  return limit as unknown as number // grpc-js compares it by > and puts it into templates, nothing else
}
