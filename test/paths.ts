/** Where tests find files: the repository, its sample models, and models that only some machines have. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Tests are started in the repository root. */
export const root = process.cwd()
export const samples = join(root, 'models')
export const fixtures = join(root, 'test', 'fixtures')

/** Models and cases kept beside the checkout; undefined where this machine has none. */
export const shared: string | undefined = [join(root, '..', 'shared')].find((path) => existsSync(join(path, 'models')))

/** The reason that skipped tests print. */
export const withoutShared = 'skipped: the shared models are not beside this checkout'
