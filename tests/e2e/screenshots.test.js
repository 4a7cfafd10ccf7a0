// The pictures of the README, with UPDATE_SCREENSHOTS=1 the ones in www-example/screenshots; and others to look at.
import assert from 'node:assert/strict'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { APP_URL, SEND, Window, browser, eventually, faults, introduce, open, person, seed, setting, write } from './helpers.js'

/** @typedef {import('./helpers.js').Person} Person */

const toLookAt = setting('SCREENSHOTS')
const ofReadme = process.env['UPDATE_SCREENSHOTS'] === '1' ? resolve(import.meta.dirname, '../../www-example/screenshots') : toLookAt
const MOST_BYTES = 200_000

const TALK = [
  'Did the rye starter survive the night?',
  'It doubled! I moved it to the cool shelf at six.',
  'Good. Then we bake at four, not at five.',
  'Fine by me. I still need someone for the onions though',
  'Twelve kilos of them…',
  'I’ll bring my goggles',
]

/** @param {string} name @param {Buffer} image */
async function keep(name, image, folder = ofReadme) {
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${name}.png`)
  await writeFile(path, image)
  assert.ok((await stat(path)).size < MOST_BYTES, `${path} is not larger than ${MOST_BYTES} bytes`)
}

/** Nothing that blinks or differs from run to run: the caret, running animations. @param {Window} window */
const picture = ({ page }) => page.screenshot({ animations: 'disabled', caret: 'hide' })

/** @param {import('playwright-core').BrowserContextOptions} options */
async function talk(options) {
  const people = await Promise.all([person('Ana'), person('Ben')])
  await seed(...people, TALK)
  const [ana, ben] = people
  const windows = /** @type {[Window, Window]} */ (await Promise.all([open(ana, options), open(ben, options)]))
  await Promise.all([windows[0].chatWith(ben), windows[1].chatWith(ana)])
  await Promise.all(windows.map((window) => window.is('live')))
  return { ana, ben, windows }
}

/** Ana's board with something of everything on it. @param {import('playwright-core').BrowserContextOptions} options */
async function board(options) {
  const people = await Promise.all(['Ana', 'Ben', 'Cleo', 'Dan', 'Eva', 'Filip'].map((name) => person(name)))
  const [ana, ben, cleo, dan, eva] = /** @type {[Person, Person, Person, Person, Person]} */ (/** @type {unknown} */ (people))
  for (const other of [dan, eva]) await introduce(ana, other)
  await write(eva, ana, ['The market is closed on Monday, so get the leeks tomorrow'], { byTurns: false })
  await write(dan, ana, Array.from({ length: 120 }, (_, n) => `Order ${n + 1} is plated`), { byTurns: false })
  await seed(ana, cleo, ['Is table four done?', 'Two minutes', 'You are an angel'])
  await seed(ana, ben, TALK.slice(0, 3))
  await write(ben, ana, TALK.slice(3), { byTurns: false })
  const window = await Window.empty(options)
  // The project is full of other tests' people.
  await window.page.route('**/api/people', (route) => route.fulfill({ json: people.map(({ mongoId, name }) => ({ mongo_user_id: mongoId, name })), headers: { 'access-control-allow-origin': new URL(APP_URL).origin, 'access-control-allow-credentials': 'true' } }))
  await window.signIn(ana)
  await eventually(async () => assert.equal((await window.conversations())[0], 'Ben | I’ll bring my goggles | 3'))
  return { window, ben }
}

test('two windows, side by side', async () => {
  const { windows } = await talk({ viewport: { width: 560, height: 720 }, colorScheme: 'light' })
  const [atAna, atBen] = windows
  await atAna.send('You are a hero. See you at four!')
  await atBen.bubble('You are a hero. See you at four!').waitFor()
  await atBen.send('At four, with the good knives')
  await atAna.bubble('At four, with the good knives').waitFor()
  await eventually(async () => assert.deepEqual([await atAna.ticks('You are a hero. See you at four!'), await atBen.ticks('At four, with the good knives')], ['Read', 'Read']))
  const images = await Promise.all(windows.map(picture))
  const page = await browser.newPage({ viewport: { width: 1160, height: 760 } })
  const sources = images.map((image) => `<img src="data:image/png;base64,${image.toString('base64')}">`)
  await page.setContent(`<style>
    body { margin: 0; display: flex; justify-content: center; align-items: center; gap: 16px; height: 100vh; background: #e9e2d6 }
    img { width: 560px; border-radius: 12px; box-shadow: 0 6px 22px #0003 }
  </style>${sources.join('')}`)
  await eventually(() => page.evaluate(() => Promise.all([...document.images].map((image) => image.decode()))))
  await keep('two-people', await page.screenshot())
  await page.close()
})

test('the board, and a chat that opens at the first unread message', async () => {
  const { window, ben } = await board({ viewport: { width: 900, height: 640 }, colorScheme: 'light' })
  await keep('board', await picture(window))
  // A device of his: what is sent to him is delivered.
  await open(ben)
  await window.page.setViewportSize({ width: 560, height: 640 })
  await window.chatWith(ben)
  await window.page.getByTestId('first-unread').waitFor()
  await window.send('You are a hero. See you at four!')
  await eventually(async () => assert.equal(await window.ticks('You are a hero. See you at four!'), 'Delivered'))
  await keep('unread', await picture(window))
})

test('the board on a phone in the dark', async () => {
  const { window } = await board({ viewport: { width: 390, height: 780 }, colorScheme: 'dark', hasTouch: true, isMobile: true })
  await keep('board-phone-dark', await picture(window))
})

test('a phone in the dark', async () => {
  const { windows } = await talk({ viewport: { width: 390, height: 780 }, colorScheme: 'dark', hasTouch: true, isMobile: true })
  await keep('phone-dark', await picture(windows[0]))
})

test('a message that was refused', async () => {
  const { windows } = await talk({ viewport: { width: 560, height: 700 }, colorScheme: 'light' })
  await faults({ on: 'request', match: { method: 'POST', path: SEND }, do: { status: 403, body: { code: '42501', message: 'no' } }, times: 1 })
  await windows[0].send('And who cuts the leeks?')
  await windows[0].page.getByTestId('retry').waitFor()
  await keep('refused', await picture(windows[0]))
})

/** Second thoughts of every kind, and the menu of a message. @param {import('playwright-core').BrowserContextOptions} options */
async function secondThoughts(options) {
  const [atAna, atBen] = (await talk(options)).windows
  await atBen.reply('Good. Then we bake at four, not at five.', 'Four it is')
  await atAna.bubble('Four it is').waitFor()
  await atAna.edit('Twelve kilos of them…', 'Ten kilos of them…')
  await atBen.unsend('Fine by me. I still need someone for the onions though')
  await atBen.react('Did the rye starter survive the night?', '🙏')
  await atAna.react('I’ll bring my goggles', '😂')
  await atBen.react('I’ll bring my goggles', '😂')
  await atAna.page.getByLabel('😂 by you and Ben').waitFor()
  await atAna.page.locator('.message[data-gone]').waitFor()
  await atAna.page.mouse.move(0, 0)
  return atAna
}

for (const [name, options] of /** @type {[string, import('playwright-core').BrowserContextOptions][]} */ ([
  ['light', { viewport: { width: 560, height: 700 }, colorScheme: 'light' }],
  ['dark', { viewport: { width: 560, height: 700 }, colorScheme: 'dark' }],
  ['phone', { viewport: { width: 390, height: 780 }, colorScheme: 'light', hasTouch: true, isMobile: true }],
  ['phone-dark', { viewport: { width: 390, height: 780 }, colorScheme: 'dark', hasTouch: true, isMobile: true }],
  ['forced-colours', { viewport: { width: 560, height: 700 }, forcedColors: 'active' }],
])) {
  test(`second thoughts, ${name}`, async () => {
    const atAna = await secondThoughts(options)
    const look = async (/** @type {string} */ what) => keep(`changes-${what}-${name}`, await picture(atAna), toLookAt)
    await look('all')
    await atAna.menu('I’ll bring my goggles')
    if (name === 'light') await keep('changes', await picture(atAna))
    await look('menu')
    await atAna.page.keyboard.press('Escape')
    await atAna.choose('Four it is', 'Reply')
    await look('reply')
    await atAna.choose('Ten kilos of them…', 'Edit')
    await look('edit')
    await faults({ on: 'request', match: { method: 'POST', path: '/rest/v1/rpc/edit_chat_message*' }, do: { status: 400, body: { code: 'CH410', message: 'the window is over' } } })
    await atAna.send('Nine kilos of them, and not one more')
    await atAna.page.getByTestId('refused-change').waitFor()
    await look('refused')
    await atAna.page.getByTestId('discard').click()
    await atAna.bubble('Four it is').getByTestId('quote').click()
    await atAna.page.locator('[data-highlighted]').waitFor()
    // Its animation, which a picture would see the end of otherwise.
    await keep(`changes-jump-${name}`, await atAna.page.screenshot({ caret: 'hide' }), toLookAt)
    await atAna.choose('Ten kilos of them…', 'Unsend')
    await look('ask')
  })
}
