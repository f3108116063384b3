/** The room by livekit-client: who is there with picture and sound; it comes back by itself after a break. */
import {
  ConnectionQuality,
  DisconnectReason,
  RemoteTrackPublication,
  Room,
  RoomEvent,
  Track,
  type LocalVideoTrack,
  type Participant,
} from 'livekit-client'
import { onScopeDispose, ref, shallowRef } from 'vue'
import type { Schemas } from '../api/client'
import { deviceTrouble } from '../entry/checks'

export interface Tile {
  identity: string
  name: string
  role: string
  language: string
  local: boolean
  speaking: boolean
  muted: boolean
  quality: ConnectionQuality
  camera: Track | undefined
  screen: Track | undefined
}

/** What one listens to: the floor, the interpretation into a language, or both. */
export interface Channel {
  mode: 'floor' | 'interpretation' | 'both'
  language: string
}
export type RoomState = 'connecting' | 'connected' | 'reconnecting' | 'ended'

const ORDER = [
  'courtroom',
  'judge',
  'clerk',
  'plaintiff',
  'defendant',
  'third_party',
  'lawyer',
  'legal_worker',
  'witness',
  'interpreter',
  'gallery',
]
/** Numbers of sources in the protocol. */
const MICROPHONE = 2
const SCREEN_SHARE = 3
const RETRIES = [1000, 2000, 3000, 5000]
const PUT_OUT = [DisconnectReason.PARTICIPANT_REMOVED, DisconnectReason.ROOM_DELETED, DisconnectReason.DUPLICATE_IDENTITY]

/** How loud somebody is on a channel; 0: his sound is not even sent here. `language`: that an interpreter speaks, else empty. */
export function volumeOf(channel: Channel, language: string): number {
  const chosen = language !== '' && language === channel.language
  if (channel.mode === 'floor') return Number(!language)
  return channel.mode === 'both' && !language ? 0.25 : Number(chosen)
}

const languageOf = (participant: Participant): string =>
  participant.attributes.role === 'interpreter' ? participant.attributes.language || (participant.name ?? '') : ''

function tileOf(participant: Participant): Tile {
  const shown = (source: Track.Source) => {
    const publication = participant.getTrackPublication(source)
    return publication?.isMuted ? undefined : publication?.track
  }
  return {
    identity: participant.identity,
    name: participant.name ?? '',
    role: participant.attributes.role ?? '',
    language: languageOf(participant),
    local: participant.isLocal,
    speaking: participant.isSpeaking,
    muted: !participant.isMicrophoneEnabled,
    quality: participant.connectionQuality,
    camera: shown(Track.Source.Camera),
    screen: shown(Track.Source.ScreenShare),
  }
}

export function useRoom(options: {
  join: () => Promise<Schemas['JoinOut']>
  ended: (why: string) => void
  trouble: (what: string) => void
}) {
  const room = new Room({
    adaptiveStream: true,
    dynacast: true,
    videoCaptureDefaults: { resolution: { width: 1280, height: 720, frameRate: 25 } },
    stopLocalTrackOnUnpublish: true,
  })
  const tiles = shallowRef<Tile[]>([])
  const state = ref<RoomState>('connecting')
  const mine = ref({ mic: false, camera: false, screen: false, publishes: false, mayMic: false, mayScreen: false })
  const audioBlocked = ref(false)
  const channel = ref<Channel>({ mode: 'floor', language: '' })
  let facing: 'user' | 'environment' = 'user'
  const wanted = { camera: true, mic: true, screen: false }
  let left = false
  let attempt = 0
  let timer = 0

  function refresh(): void {
    const seen = [room.localParticipant, ...room.remoteParticipants.values()].filter((each) =>
      each.isLocal ? each.permissions?.canPublish : each.attributes.role && each.attributes.role !== 'gallery',
    ) // who has no role is one whom the viewer must not meet: a voice
    const rank = (tile: Tile): number => (ORDER.indexOf(tile.role) + 100) % 100
    tiles.value = seen.map(tileOf).sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name))
    const me = room.localParticipant
    const sources = (me.permissions?.canPublishSources ?? []).map(Number)
    const may = (source: number) => Boolean(me.permissions?.canPublish) && (!sources.length || sources.includes(source))
    mine.value = {
      mic: me.isMicrophoneEnabled,
      camera: me.isCameraEnabled,
      screen: me.isScreenShareEnabled,
      publishes: Boolean(me.permissions?.canPublish),
      mayMic: may(MICROPHONE),
      mayScreen: may(SCREEN_SHARE) && Boolean(navigator.mediaDevices?.getDisplayMedia),
    }
    tune()
  }

  /** Have sent what one listens to, and nothing else. Where nobody interprets into the language that is the floor. */
  function tune(): void {
    const others = [...room.remoteParticipants.values()]
    const there = others.some((each) => languageOf(each) === channel.value.language)
    const to: Channel = there ? channel.value : { mode: 'floor', language: '' }
    for (const each of others) {
      const volume = volumeOf(to, languageOf(each))
      each.setVolume(volume)
      each.audioTrackPublications.forEach((sound) => {
        if (sound instanceof RemoteTrackPublication && sound.isDesired !== volume > 0) sound.setSubscribed(volume > 0)
      })
    }
  }

  const CHANGES = [
    RoomEvent.ParticipantConnected,
    RoomEvent.ParticipantDisconnected,
    RoomEvent.TrackSubscribed,
    RoomEvent.TrackUnsubscribed,
    RoomEvent.TrackMuted,
    RoomEvent.TrackUnmuted,
    RoomEvent.LocalTrackPublished,
    RoomEvent.LocalTrackUnpublished,
    RoomEvent.ActiveSpeakersChanged,
    RoomEvent.ConnectionQualityChanged,
    RoomEvent.ParticipantAttributesChanged,
    RoomEvent.ParticipantPermissionsChanged,
    RoomEvent.ParticipantNameChanged,
    RoomEvent.TrackPublished,
    RoomEvent.TrackUnpublished,
  ] as const
  for (const each of CHANGES) room.on(each, refresh)
  room.on(RoomEvent.TrackSubscribed, (track, _, participant) => {
    if (track.kind !== Track.Kind.Audio) return
    const sound = track.attach()
    Object.assign(sound.dataset, { name: participant.name ?? '', language: languageOf(participant) })
    document.body.append(sound)
  })
  room.on(RoomEvent.TrackUnsubscribed, (track) => track.kind === Track.Kind.Audio && track.detach().forEach((each) => each.remove()))
  room.on(RoomEvent.AudioPlaybackStatusChanged, () => (audioBlocked.value = !room.canPlaybackAudio))
  room.on(RoomEvent.Reconnecting, () => (state.value = 'reconnecting'))
  room.on(RoomEvent.Reconnected, () => ((state.value = 'connected'), refresh()))
  room.on(RoomEvent.Disconnected, (reason) => {
    if (left) return
    if (reason !== undefined && PUT_OUT.includes(reason))
      return end(reason === DisconnectReason.DUPLICATE_IDENTITY ? 'elsewhere' : 'removed')
    again()
  })

  function end(why: string): void {
    state.value = 'ended'
    options.ended(why)
  }

  function again(): void {
    state.value = 'reconnecting'
    timer = window.setTimeout(() => void connect(), RETRIES[Math.min(attempt++, RETRIES.length - 1)])
  }

  async function connect(): Promise<void> {
    try {
      const ticket = await options.join()
      if (left) return
      if (ticket.entry !== 'enter') return end('waits')
      await room.connect(ticket.url, ticket.token)
      attempt = 0
      state.value = 'connected'
      refresh()
      if (room.localParticipant.permissions?.canPublish) await publish()
    } catch (error) {
      if (left) return
      const status = (error as { status?: number }).status
      if (status === 403 || status === 404 || status === 409 || status === 401) return end('refused')
      again()
    }
  }

  /** After each joining: what was on before a break is on again. */
  async function publish(): Promise<void> {
    if (wanted.camera) await set('camera', true)
    if (wanted.mic && mine.value.mayMic) await set('mic', true)
  }

  /** Turn something of one's own on or off; what the device refuses is told. */
  async function set(what: 'camera' | 'mic' | 'screen', on: boolean): Promise<void> {
    const me = room.localParticipant
    wanted[what] = on
    try {
      if (what === 'camera') await me.setCameraEnabled(on)
      else if (what === 'mic') {
        const language = languageOf(me)
        await me.setMicrophoneEnabled(on, undefined, language ? { name: `interpretation:${language}` } : undefined)
      } else await me.setScreenShareEnabled(on)
    } catch (error) {
      if (what !== 'screen') options.trouble(deviceTrouble(error))
    }
    refresh()
  }

  /** The other camera, in the same track: nobody leaves, and the record goes on. */
  async function flip(): Promise<void> {
    const track = room.localParticipant.getTrackPublication(Track.Source.Camera)?.videoTrack as LocalVideoTrack | undefined
    if (!track) return
    const before = track.mediaStreamTrack.getSettings().deviceId
    facing = facing === 'user' ? 'environment' : 'user'
    if (matchMedia('(pointer: coarse)').matches) await track.restartTrack({ facingMode: facing })
    if (track.mediaStreamTrack.getSettings().deviceId === before) {
      // a mouse, or cameras that do not say where they look: the next one
      const all = await Room.getLocalDevices('videoinput')
      const next = all[(all.findIndex((each) => each.deviceId === before) + 1) % all.length]
      if (next) await room.switchActiveDevice('videoinput', next.deviceId)
    }
    refresh()
  }

  function listenTo(to: Channel): void {
    channel.value = to
    tune()
  }

  async function leave(): Promise<void> {
    left = true
    clearTimeout(timer)
    await room.disconnect()
  }

  onScopeDispose(() => void leave())
  void connect()
  return { room, tiles, state, mine, audioBlocked, channel, set, publish, flip, listenTo, leave }
}

export type CourtRoom = ReturnType<typeof useRoom>
