import type { ChatThread } from 'chopped-chat/inbox'
import { Avatar } from './Avatar.tsx'
import type { Person } from './backend.ts'
import { whenText } from './dates.ts'
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
          {lastMessage.sender === 'me' && <Ticks status={lastMessage.status} />}
          <span className="text">
            {lastMessage.sender === 'me' && 'You: '}
            <bdi>{lastMessage.body === '' ? 'This message was erased' : lastMessage.body}</bdi>
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
