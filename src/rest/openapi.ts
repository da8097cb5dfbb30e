/** `/openapi.json`. */
export function describeApi(version: string) {
  return { openapi: '3.1.0', info: { title: 'Servable', version }, paths: {} }
}
