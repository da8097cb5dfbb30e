/** The headers of an answer as the metadata that comes after its message. */
import { Metadata } from '@grpc/grpc-js'
import { answerHeaders } from '../dataplane/response-headers.ts'

/** Values of names that end in `-bin` are base64. @throws InferenceError `internal` where no header can carry them */
export function trailerOf(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of answerHeaders(headers)) {
    metadata.set(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value)
  }
  return metadata
}
