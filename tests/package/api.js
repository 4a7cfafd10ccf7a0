// The public API of `pkg/` as one text, without its documentation, so that no change of it goes unseen.
// `npm run api` writes it to pkg-template/api.md.
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'

const ROOT = resolve(import.meta.dirname, '../..')
export const REPORT = join(ROOT, 'pkg-template/api.md')

/** @param {string} [dir] the package */
export async function api(dir = join(ROOT, 'pkg')) {
  const { exports, bin, engines, peerDependencies } = JSON.parse(await readFile(join(dir, 'package.json'), 'utf8'))
  const printer = ts.createPrinter({ removeComments: true })
  const parts = Object.entries(exports).map(async ([entry, target]) => {
    const title = `## \`chopped-chat${entry.slice(1)}\`\n`
    if (!target.types) return title
    const text = await readFile(join(dir, target.types), 'utf8')
    const printed = printer.printFile(ts.createSourceFile(target.types, text, ts.ScriptTarget.Latest, true))
    return `${title}\n\`\`\`ts\n${printed}\`\`\`\n`
  })
  const asks = JSON.stringify({ bin: Object.keys(bin), engines, peerDependencies })
  return `# API report

Written by \`npm run api\` in \`tests/package\`, from what \`cargo xtask build\` made; a test compares. A change here is a change of
the package's API: say it in the changelog, and raise the version by what it does to those who use it.

${(await Promise.all(parts)).join('\n')}
## Command, engines and peers

\`\`\`json
${asks}
\`\`\`
`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await writeFile(REPORT, await api())
