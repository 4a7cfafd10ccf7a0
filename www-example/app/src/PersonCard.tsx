import type { ChatThread } from 'chopped-chat/inbox'
import { Avatar } from './Avatar.tsx'
import type { Person } from './backend.ts'
import { whenText } from './dates.ts'
import { goneText } from './gone-text.ts'
import { Ticks } from './Ticks.tsx'
import { countText } from './use-app-badge.ts'

interface Props {
  person: Person
  /** Undefined where nothing was said yet. */
  thread: ChatThread | undefined
  onGetReady: () => void
  onOpen: () => void
}

/** A person with the newest message of the conversation, and how many are unread. */
export function PersonCard({ person, thread, onGetReady, onOpen }: Props) {
  const { lastMessage = null, unread = 0 } = thread ?? {}
  const date = lastMessage && new Date(lastMessage.createdAt)
  const gone = lastMessage === null ? undefined : goneText(lastMessage)
  // Of a text that is gone it is of no interest how far it came.
  const isMine = lastMessage?.sender === 'me' && gone === undefined
  return (
    <button type="button" onPointerEnter={onGetReady} onFocus={onGetReady} onClick={onOpen} data-testid={`person-${person.mongo_user_id}`} data-unread={unread > 0 || undefined}>
      <Avatar name={person.name} />
      <span className="row">
        <span className="name">{person.name}</span>
        {date && <time dateTime={date.toISOString()}>{whenText(date)}</time>}
      </span>
      {lastMessage === null ? (
        <span className="hint" aria-hidden="true">
          Message
        </span>
      ) : (
        <span className="row preview" data-testid="preview">
          {isMine && <Ticks status={lastMessage.status} />}
          <span className="text" data-gone={gone !== undefined || undefined}>
            {isMine && 'You: '}
            <bdi>{gone ?? lastMessage.body}</bdi>
          </span>
          {unread > 0 && (
            <span className="badge" role="img" aria-label={`${countText(unread)} unread`}>
              {countText(unread)}
            </span>
          )}
        </span>
      )}
    </button>
  )
}
