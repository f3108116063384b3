//! Publishes or watches with str0m, as tests/interop/stable/client.py asks for it.
//!
//! ```text
//! str0m publish URL --token T --codec vp8 --video clip.ivf [--audio opus.ivf]
//! str0m watch URL --token T --packets FILE
//! ```
//!
//! It runs until its standard input ends and prints what happens, an event per line.

mod events;
mod player;
mod session;

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::SdpAnswer;
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpPacket;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

use events::{now_us, say};
use player::Player;
use session::{negotiate, Session};

type Outcome<T> = Result<T, Box<dyn Error>>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the loop sleeps at most, so that it notices that it is to end.
const NAP: Duration = Duration::from_millis(5);

#[derive(Default)]
pub struct Options {
    role: String,
    pub url: String,
    pub token: String,
    codec: String,
    packets: String,
    video: Vec<String>,
    audio: Option<String>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Outcome<Options> {
        let mut next = || arguments.next();
        let mut parsed = Options {
            role: next().ok_or("usage: publish|watch URL [--OPTION VALUE]...")?,
            url: next().ok_or("which URL?")?,
            ..Options::default()
        };
        while let Some(name) = next() {
            let value = next().ok_or("an option without its value")?;
            match name.as_str() {
                "--token" => parsed.token = value,
                "--codec" => parsed.codec = value,
                "--packets" => parsed.packets = value,
                "--video" => parsed.video.push(value),
                "--audio" => parsed.audio = Some(value),
                _ => return Err(format!("unknown option {name}").into()),
            }
        }
        Ok(parsed)
    }
}

/// What came: the time in microseconds (8 octets), the length (2 octets), the RTP packet.
struct PacketFile {
    file: BufWriter<File>,
    count: usize,
    told: Vec<u8>,
}

impl PacketFile {
    fn add(&mut self, rtc: &mut Rtc, packet: &RtpPacket) -> Outcome<()> {
        let header = &packet.header;
        let payload_type = *header.payload_type;
        if !self.told.contains(&payload_type) {
            self.told.push(payload_type);
            self.begin(rtc, packet);
        }
        let marker = if header.marker { 0x80 } else { 0 };
        let length = 12 + packet.payload.len() as u16;
        self.file.write_all(&now_us().to_be_bytes())?;
        self.file.write_all(&length.to_be_bytes())?;
        self.file.write_all(&[0x80, marker | payload_type])?;
        self.file.write_all(&header.sequence_number.to_be_bytes())?;
        self.file.write_all(&header.timestamp.to_be_bytes())?;
        self.file.write_all(&(*header.ssrc).to_be_bytes())?;
        self.file.write_all(&packet.payload)?;
        self.count += 1;
        Ok(())
    }

    /// The first packet of a codec: say which one it is, and ask for a picture to begin with.
    fn begin(&mut self, rtc: &mut Rtc, packet: &RtpPacket) {
        let payload_type = packet.header.payload_type;
        let found = rtc.codec_config().params().iter().find(|one| one.pt() == payload_type);
        let Some(codec) = found.map(|one| one.spec().codec) else { return };
        say(
            "track",
            &[("payload_type", payload_type.to_string()), ("codec", events::text(&format!("{codec:?}")))],
        );
        if codec.is_video() {
            if let Some(stream) = rtc.direct_api().stream_rx(&packet.header.ssrc) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
        }
    }
}

struct Client {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    players: Vec<(Mid, Codec, Player)>,
    packets: Option<PacketFile>,
    connected: bool,
}

impl Client {
    fn open(options: &Options) -> Outcome<(Client, Option<Session>)> {
        let publishing = options.role == "publish";
        let mut config = Rtc::builder().set_rtp_mode(!publishing);
        let codec = match options.codec.as_str() {
            _ if !publishing => None,
            "vp8" => Some(Codec::Vp8),
            "vp9" => Some(Codec::Vp9),
            "h264" => Some(Codec::H264),
            "av1" => Some(Codec::Av1),
            other => return Err(format!("unknown codec {other}").into()),
        };
        if let Some(codec) = codec {
            config = config.clear_codecs().enable_opus(true, false);
            config = match codec {
                Codec::Vp8 => config.enable_vp8(true),
                Codec::Vp9 => config.enable_vp9(true),
                Codec::Av1 => config.enable_av1(true),
                _ => config.enable_h264(true),
            };
        }
        let mut rtc = config.build(Instant::now());
        let socket = UdpSocket::bind((host_address()?, 0))?;
        let address = socket.local_addr()?;
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        let direction = if publishing { Direction::SendOnly } else { Direction::RecvOnly };
        let mut players = Vec::new();
        let mut changes = rtc.sdp_api();
        let stream = Some("stable".to_string());
        let video = changes.add_media(MediaKind::Video, direction, stream.clone(), None, None);
        if let Some(codec) = codec {
            players.push((video, codec, Player::open(&options.video[0], 90_000)?));
        }
        if !publishing || options.audio.is_some() {
            let audio = changes.add_media(MediaKind::Audio, direction, stream, None, None);
            if let Some(path) = &options.audio {
                players.push((audio, Codec::Opus, Player::open(path, 48_000)?));
            }
        }
        let (offer, pending) = changes.apply().ok_or("nothing to offer")?;
        let Some((answer, session)) = negotiate(options, &offer.to_sdp_string())? else {
            let refused = Client { rtc, socket, address, players, packets: None, connected: false };
            return Ok((refused, None));
        };
        rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer)?)?;
        let packets = if publishing {
            None
        } else {
            let file = BufWriter::new(File::create(&options.packets)?);
            Some(PacketFile { file, count: 0, told: Vec::new() })
        };
        Ok((Client { rtc, socket, address, players, packets, connected: false }, Some(session)))
    }

    /// Until it is left; an error if the connection fails before.
    fn run(&mut self, left: &AtomicBool) -> Outcome<()> {
        let began = Instant::now();
        let mut tick = began;
        let mut buffer = vec![0; 2000];
        while !left.load(Ordering::Relaxed) {
            if !self.connected && began.elapsed() > CONNECT_TIMEOUT {
                return Err(format!("not connected within {CONNECT_TIMEOUT:?}").into());
            }
            let timeout = self.drain()?;
            self.play()?;
            let timeout = timeout.min(self.drain()?);
            if self.connected && tick.elapsed() > Duration::from_secs(1) {
                tick = Instant::now();
                self.tell()?;
            }
            let wait = timeout.saturating_duration_since(Instant::now()).min(NAP);
            if wait.is_zero() {
                self.rtc.handle_input(Input::Timeout(Instant::now()))?;
                continue;
            }
            self.socket.set_read_timeout(Some(wait))?;
            match self.socket.recv_from(&mut buffer) {
                Ok((length, source)) => {
                    let contents = match buffer[..length].try_into() {
                        Ok(contents) => contents,
                        Err(_) => continue, // none of WebRTC's protocols
                    };
                    let proto = Protocol::Udp;
                    let receive = Receive { proto, source, destination: self.address, contents };
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                        self.rtc.handle_input(Input::Timeout(Instant::now()))?;
                    }
                    _ => return Err(error.into()),
                },
            }
        }
        Ok(())
    }

    /// Send and handle all that str0m has; when it wants to be called again.
    fn drain(&mut self) -> Outcome<Instant> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => return Ok(at),
                Output::Transmit(datagram) => {
                    self.socket.send_to(&datagram.contents, datagram.destination)?;
                }
                Output::Event(event) => self.handle(event)?,
            }
        }
    }

    fn handle(&mut self, event: Event) -> Outcome<()> {
        match event {
            Event::Connected => {
                self.connected = true;
                say("connected", &[]);
            }
            Event::IceConnectionStateChange(state) => {
                say("state", &[("state", events::text(&format!("{state:?}")))]);
                if state == IceConnectionState::Disconnected {
                    return Err("the connection is disconnected".into());
                }
            }
            Event::KeyframeRequest(request) => {
                for (mid, _, player) in &mut self.players {
                    if *mid == request.mid {
                        player.restart();
                    }
                }
            }
            Event::RtpPacket(packet) => {
                if let Some(packets) = &mut self.packets {
                    packets.add(&mut self.rtc, &packet)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Send the frames whose time has come.
    fn play(&mut self) -> Outcome<()> {
        if !self.connected {
            return Ok(());
        }
        let now = Instant::now();
        for at in 0..self.players.len() {
            while let Some((frame, time)) = self.players[at].2.next(now) {
                let (mid, codec) = (self.players[at].0, self.players[at].1);
                let Some(writer) = self.rtc.writer(mid) else { continue };
                let found: Option<Pt> =
                    writer.payload_params().find(|one| one.spec().codec == codec).map(|one| one.pt());
                let payload_type = found.ok_or("the answer has not the codec that was offered")?;
                writer.write(payload_type, now, time, frame)?;
                self.drain()?; // str0m wants each frame taken before the next one
            }
        }
        Ok(())
    }

    fn tell(&mut self) -> Outcome<()> {
        if let Some(packets) = &mut self.packets {
            packets.file.flush()?;
            say("receiving", &[("packets", packets.count.to_string())]);
        } else {
            say("sending", &[("frames", self.players[0].2.sent.to_string())]);
        }
        Ok(())
    }

    fn report(&mut self) -> Outcome<()> {
        if let Some(packets) = &mut self.packets {
            packets.file.flush()?;
            say("received", &[("packets", packets.count.to_string())]);
        } else {
            let video = &self.players[0].2;
            let asked = video.asked.to_string();
            say("sent", &[("frames", video.sent.to_string()), ("key_frames_asked", asked)]);
        }
        Ok(())
    }
}

/// This machine's address on its own network.
fn host_address() -> Outcome<std::net::IpAddr> {
    let probe = UdpSocket::bind("0.0.0.0:0")?;
    probe.connect("192.0.2.1:9")?; // sends nothing
    Ok(probe.local_addr()?.ip())
}

fn run() -> Outcome<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let left = Arc::new(AtomicBool::new(false));
    let leave = left.clone();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        leave.store(true, Ordering::Relaxed);
    });
    let (mut client, session) = Client::open(&options)?;
    let Some(session) = session else { return Ok(()) };
    let outcome = client.run(&left);
    client.report()?;
    session.leave(&options.token);
    outcome
}

fn main() {
    if let Err(error) = run() {
        say("failed", &[("why", events::text(&error.to_string()))]);
        std::process::exit(1);
    }
}
