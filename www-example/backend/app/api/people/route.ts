import { caller } from '@/lib/caller'
import { demoPeople } from '@/lib/demo-people'
import { endpoint } from '@/lib/route'

/** GET /api/people -> `[{ mongo_user_id, name }]`, oneself among them. For the signed in. */
const { handler, OPTIONS } = endpoint('GET', async () => {
  const { mongoId } = await caller()
  return demoPeople(mongoId)
})

export { handler as GET, OPTIONS }
