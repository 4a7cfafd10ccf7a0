// Copies user_metadata.mongoUserId to app_metadata.mongoUserId, once, for projects that kept the link in user_metadata.
//
//   node scripts/copy-identities.mjs            shows what would be done
//   node scripts/copy-identities.mjs --apply    does it
//
// Every user can write their own user_metadata, so what is copied is a claim and not a fact: an id that two accounts
// claim, or that another account already holds, is left alone and reported. Compare the list with your own database
// before you apply it.
import { allUsers, withAuthAdmin } from './admin.mjs'

const unknown = process.argv.slice(2).filter((argument) => argument !== '--apply')
if (unknown.length > 0) {
  console.error(`Unknown argument: ${unknown.join(' ')}. The only one is --apply.`)
  process.exit(1)
}
const apply = process.argv.includes('--apply')

await withAuthAdmin(async (admin) => {
  const users = await allUsers(admin)

  const idOf = (metadata) => (typeof metadata?.mongoUserId === 'string' && metadata.mongoUserId !== '' ? metadata.mongoUserId : undefined)
  const claimants = new Map()
  for (const user of users) {
    for (const id of new Set([idOf(user.app_metadata), idOf(user.user_metadata)])) {
      if (id !== undefined) claimants.set(id, [...(claimants.get(id) ?? []), user.id])
    }
  }

  const counts = { copied: 0, disputed: 0, failed: 0 }
  for (const user of users) {
    const id = idOf(user.user_metadata)
    if (id === undefined || idOf(user.app_metadata) !== undefined) continue
    const label = `${user.email ?? user.id} -> ${id}`
    if (claimants.get(id).length > 1) {
      counts.disputed++
      console.warn(`disputed  ${label} (claimed by ${claimants.get(id).join(', ')})`)
      continue
    }
    const { error } = apply ? await admin.updateUserById(user.id, { app_metadata: { mongoUserId: id } }) : { error: null }
    if (error) {
      counts.failed++
      console.error(`failed    ${label}: ${error.message}`)
    } else {
      counts.copied++
      console.log(`${apply ? 'copied   ' : 'would copy'} ${label}`)
    }
  }
  console.log(`${counts.copied} ${apply ? 'copied' : 'to copy (run again with --apply)'}, ${counts.disputed} disputed, ${counts.failed} failed, ${users.length} accounts in all`)
  if (counts.disputed + counts.failed > 0) process.exitCode = 2
})
