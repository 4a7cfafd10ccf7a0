// What the tests of the inbox's hooks steer: lists, badges and a chat that come and go.
import { StrictMode, useEffect } from 'react'
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import { useChat, useInbox, useSeen, useUnread } from 'chopped-chat/inbox/react'

/** By name: what its hook gave last, and how often it rendered. */
const shown = {}
const renders = {}
/** How each jump ended. */
const jumps = []
const note = (name, value) => {
  shown[name] = value
  renders[name] = (renders[name] ?? 0) + 1
}

// Written anew for each render, as an app does.
const options = () => {
  const { token, ...options } = globalThis.me
  return { ...options, getToken: () => ({ access_token: token, expires_in: 3600 }) }
}

function List({ name }) {
  const inbox = useInbox(options())
  note(name, inbox)
  return <ul data-status={inbox.status}>{inbox.threads.map(({ threadId, unread, lastMessage }) => <li key={threadId}>{`${lastMessage?.body} ${unread}`}</li>)}</ul>
}

function Badge({ name }) {
  const unread = useUnread(options())
  note(name, unread)
  return <b>{unread}</b>
}

/** Its effect runs before the one that opens the chat. */
function Jump({ chat: { jumpTo }, to }) {
  useEffect(() => {
    const told = (how) => () => jumps.push(how)
    jumpTo(to).then(told('there'), ({ code }) => told(code)())
  }, [jumpTo, to])
  return null
}

function Chat({ name, other, jump, ...more }) {
  const chat = useChat({ ...options(), otherMongoId: other, ensureThread: () => {}, ...more })
  const list = useSeen(chat)
  note(name, chat)
  return (
    <ol ref={list} style={{ height: 300, overflow: 'auto', margin: 0, padding: 0 }}>
      {jump && <Jump chat={chat} to={jump} />}
      {chat.messages.map(({ id, seq, body }) => (
        <li key={id} data-seq={seq} style={{ display: 'block', height: body.startsWith('tall') ? 2000 : 40 }}>
          {body}
        </li>
      ))}
    </ol>
  )
}

const KINDS = { list: List, badge: Badge, chat: Chat }
const root = createRoot(document.body.appendChild(Object.assign(document.createElement('div'), { id: 'lab' })))
/** Each of `parts`: kind, name and props. `strict`: in React's StrictMode. */
function show(parts, strict = false) {
  const all = parts.map(([kind, name, props]) => {
    const Kind = KINDS[kind]
    return <Kind key={name} name={name} {...props} />
  })
  flushSync(() => root.render(strict ? <StrictMode>{all}</StrictMode> : all))
}

Object.assign(globalThis, { lab: { show, shown, renders, jumps } })
