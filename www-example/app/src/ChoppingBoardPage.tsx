import { type ChatInboxSnapshot, type ChatThread, prefetch } from 'chopped-chat/inbox'
import { useInbox } from 'chopped-chat/inbox/react'
import { useCallback, useEffect, useState } from 'react'
import { Avatar } from './Avatar.tsx'
import type { Person } from './backend.ts'
import { ChatModal } from './ChatModal.tsx'
import { chatOptions, inboxOptions } from './chat-options.ts'
import { errorText } from './error-text.ts'
import { PersonCard } from './PersonCard.tsx'
import { setReceipts, useReceipts } from './receipts.ts'
import { useAppBadge } from './use-app-badge.ts'
import { Wordmark } from './Wordmark.tsx'
import './styles/board.css'

interface Props {
  me: Person
  people: readonly Person[]
  /** Somebody who is not among `people` has written. */
  onStranger: () => void
  onSignOut: () => void
  onSignInAgain: () => void
}

export function ChoppingBoardPage({ me, people, onStranger, onSignOut, onSignInAgain }: Props) {
  const [selectedUserId, setSelectedUserId] = useState<string>()
  const receipts = useReceipts()
  const inbox = useInbox(inboxOptions(me.mongo_user_id, receipts))
  useAppBadge(inbox.unread)
  const places = seat(
    people.filter((person) => person.mongo_user_id !== me.mongo_user_id),
    inbox.threads,
  )
  const selected = places.find(({ person }) => person.mongo_user_id === selectedUserId)
  const getReady = (person: Person) => void prefetch(chatOptions(me.mongo_user_id, person.mongo_user_id, receipts))
  const close = useCallback(() => setSelectedUserId(undefined), [])

  const isStranger = ({ otherMongoId }: ChatThread) => !people.some((person) => person.mongo_user_id === otherMongoId)
  const strangers = inbox.threads.filter(isStranger).map(({ threadId }) => threadId).join()
  useEffect(() => {
    if (strangers !== '') onStranger()
  }, [strangers, onStranger])

  return (
    <div className="page">
      <header className="top">
        <Wordmark />
        <div className="me">
          <Avatar name={me.name} />
          <span data-testid="me" data-mongo-id={me.mongo_user_id}>
            {me.name}
          </span>
          <button type="button" className="quiet" onClick={onSignOut} data-testid="sign-out">
            Sign out
          </button>
        </div>
      </header>

      <main>
        <h1>The chopping board</h1>
        <p className="lead">Everybody in the kitchen tonight. Pick someone to talk to.</p>
        <div className="board">
          <ul>
            {places.map(({ person, thread }) => (
              <li key={person.mongo_user_id}>
                <PersonCard person={person} thread={thread} onGetReady={() => getReady(person)} onOpen={() => setSelectedUserId(person.mongo_user_id)} />
              </li>
            ))}
          </ul>
          {places.length === 0 && <p className="nobody">Nobody else yet. Run the backend’s script demo-accounts.</p>}
        </div>
        <footer className="below">
          <p role="status" data-testid="inbox" data-status={inbox.status}>
            {inboxText(inbox)}
          </p>
          {inbox.hasMore && (
            <button type="button" className="quiet" disabled={inbox.loadingMore} onClick={() => inbox.loadMore().catch(() => {})}>
              Older conversations
            </button>
          )}
          <label>
            <input type="checkbox" checked={receipts} onChange={(event) => setReceipts(event.target.checked)} />
            Tell others what I have read, and me what they have
          </label>
        </footer>
      </main>

      {selected !== undefined && (
        <ChatModal
          key={selectedUserId}
          myMongoId={me.mongo_user_id}
          other={selected.person}
          receipts={receipts}
          unread={selected.thread?.unread ?? (inbox.status === 'live' ? 0 : undefined)}
          onClose={close}
          onSignInAgain={onSignInAgain}
        />
      )}
    </div>
  )
}

interface Place {
  person: Person
  thread: ChatThread | undefined
}

/** Who talked last comes first, strangers among them; behind them those who said nothing yet. */
function seat(people: readonly Person[], threads: readonly ChatThread[]): Place[] {
  const known = new Map(people.map((person) => [person.mongo_user_id, person]))
  const talked = threads.map((thread) => {
    const person = known.get(thread.otherMongoId) ?? { mongo_user_id: thread.otherMongoId, name: 'Somebody new' }
    known.delete(thread.otherMongoId)
    return { person, thread }
  })
  return [...talked, ...[...known.values()].map((person) => ({ person, thread: undefined }))]
}

/** What keeps the board from being up to date, in words. */
function inboxText({ status, error }: ChatInboxSnapshot): string {
  if (status === 'live' || status === 'connecting') return ''
  if (status === 'offline') return 'You are offline. What comes in is shown when you are back.'
  if (status === 'reconnecting') return 'Reconnecting…'
  return error === null ? '' : errorText(error)
}
