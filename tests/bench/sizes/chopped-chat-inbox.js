export * from 'chopped-chat/inbox'
export { default } from 'chopped-chat/inbox'
export * from 'chopped-chat/inbox/react'
