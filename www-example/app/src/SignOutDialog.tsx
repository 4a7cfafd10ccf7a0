import { AskDialog } from './AskDialog.tsx'
import type { Unsent } from './sign-out.ts'

interface Props {
  unsent: Unsent
  onStay: () => void
  onSignOut: () => void
}

/** Asks before signing out deletes what was written. */
export function SignOutDialog({ unsent, onStay, onSignOut }: Props) {
  return (
    <AskDialog title="Sign out now?" stay="Stay signed in" go="Sign out and delete" onStay={onStay} onGo={onSignOut} testId="sign-out-dialog">
      {sentence(unsent)}
    </AskDialog>
  )
}

function sentence({ messages, drafts }: Unsent): string {
  const parts = [
    messages > 0 && (messages === 1 ? '1 message is not sent yet' : `${messages} messages are not sent yet`),
    drafts > 0 && (drafts === 1 ? '1 is only typed' : `${drafts} are only typed`),
  ].filter((part) => part !== false)
  return `${parts.join(' and ')}. Signing out deletes ${messages + drafts === 1 ? 'it' : 'them'} in this browser.`
}
