package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

var (
	mimeTypes = map[string]string{
		"vp8": webrtc.MimeTypeVP8, "vp9": webrtc.MimeTypeVP9, "h264": webrtc.MimeTypeH264, "av1": webrtc.MimeTypeAV1,
		"opus": webrtc.MimeTypeOpus,
	}
	rids = []string{"q", "h", "f"}
)

// clip is a file as clips.py makes it.
type clip struct {
	frames   [][]byte
	interval time.Duration
}

func readClip(path string) (clip, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return clip{}, err
	}
	if len(data) < 32 || string(data[:4]) != "DKIF" {
		return clip{}, fmt.Errorf("%s is no IVF file", path)
	}
	rate := binary.LittleEndian.Uint32(data[16:])
	read := clip{interval: time.Second / time.Duration(rate)}
	for at := 32; at+12 <= len(data); {
		size := int(binary.LittleEndian.Uint32(data[at:]))
		read.frames = append(read.frames, data[at+12:at+12+size])
		at += 12 + size
	}
	return read, nil
}

// stream sends one clip over and over, from its beginning on where a key frame is asked for.
type stream struct {
	clip      clip
	track     webrtc.TrackLocal
	write     func(frame []byte) error
	restart   atomic.Bool
	keyFrames atomic.Int64 // that were asked for
	sent      atomic.Int64
}

func (s *stream) send(stop <-chan struct{}) {
	next, at := time.Now(), 0
	for {
		if s.restart.Swap(false) {
			at = 0
		}
		// An error tells of one subscriber's transport; what becomes of the connection is told elsewhere.
		_ = s.write(s.clip.frames[at])
		s.sent.Add(1)
		at = (at + 1) % len(s.clip.frames)
		next = next.Add(s.clip.interval)
		select {
		case <-stop:
			return
		case <-time.After(time.Until(next)):
		}
	}
}

func (s *stream) asked() {
	s.keyFrames.Add(1)
	s.restart.Store(true)
}

// publish adds the clips' tracks. What it returns starts to send, and says how much was sent.
func publish(connection *webrtc.PeerConnection, chosen options) (start, report func(), err error) {
	var video, all []*stream
	var sender *webrtc.RTPSender
	if len(chosen.videos) > 1 {
		video, sender, err = addEncodings(connection, chosen)
	} else {
		video = make([]*stream, 1)
		if video[0], err = newStream(chosen.videos[0], chosen.codec, "video"); err == nil {
			sender, err = addTrack(connection, video[0], chosen.codec)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	all = append(all, video...)
	if chosen.audio != "" {
		one, err := newStream(chosen.audio, "opus", "audio")
		if err != nil {
			return nil, nil, err
		}
		audio, err := connection.AddTrack(one.track)
		if err != nil {
			return nil, nil, err
		}
		go discard(audio)
		all = append(all, one)
	}
	for number, one := range video {
		go listen(sender, one, rids[number], len(video) > 1)
	}
	stop := make(chan struct{})
	start = func() {
		for _, one := range all {
			go one.send(stop)
		}
		go func() {
			for range time.Tick(time.Second) {
				say("sending", fields{"frames": video[0].sent.Load()})
			}
		}()
	}
	report = func() {
		close(stop)
		for _, one := range video {
			say("sent", fields{
				"rid": one.track.RID(), "frames": one.sent.Load(), "key_frames_asked": one.keyFrames.Load(),
			})
		}
	}
	return start, report, nil
}

func newStream(path, codec, name string) (*stream, error) {
	read, err := readClip(path)
	if err != nil {
		return nil, err
	}
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mimeTypes[codec]}, name, "stable")
	write := func(frame []byte) error {
		return track.WriteSample(media.Sample{Data: frame, Duration: read.interval})
	}
	return &stream{clip: read, track: track, write: write}, err
}

// addEncodings offers one track in several encodings of VP8. Pion leaves it to its user to put the MID and the RID
// (RFC 8852) into the packets.
func addEncodings(connection *webrtc.PeerConnection, chosen options) ([]*stream, *webrtc.RTPSender, error) {
	if chosen.codec != "vp8" {
		return nil, nil, fmt.Errorf("simulcast is in VP8 alone here")
	}
	var sender *webrtc.RTPSender
	var streams []*stream
	for number, path := range chosen.videos {
		read, err := readClip(path)
		if err != nil {
			return nil, nil, err
		}
		capability := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}
		track, err := webrtc.NewTrackLocalStaticRTP(capability, "video", "stable", webrtc.WithRTPStreamID(rids[number]))
		if err != nil {
			return nil, nil, err
		}
		one := &stream{clip: read, track: track}
		streams = append(streams, one)
		if number == 0 {
			if sender, err = addTrack(connection, one, chosen.codec); err != nil {
				return nil, nil, err
			}
		} else if err := sender.AddEncoding(track); err != nil {
			return nil, nil, err
		}
		one.write = named(connection, sender, track, read.interval)
	}
	return streams, sender, nil
}

func named(
	connection *webrtc.PeerConnection, sender *webrtc.RTPSender, track *webrtc.TrackLocalStaticRTP, every time.Duration,
) func([]byte) error {
	payloader := &codecs.VP8Payloader{EnablePictureID: true}
	packetizer := rtp.NewPacketizer(1200, 0, 0, payloader, rtp.NewRandomSequencer(), 90_000)
	ticks := uint32(every * 90_000 / time.Second)
	return func(frame []byte) error {
		ids := map[string]uint8{}
		for _, extension := range sender.GetParameters().HeaderExtensions {
			ids[extension.URI] = uint8(extension.ID)
		}
		var mid string
		for _, transceiver := range connection.GetTransceivers() {
			if transceiver.Sender() == sender {
				mid = transceiver.Mid()
			}
		}
		for _, packet := range packetizer.Packetize(frame, ticks) {
			for uri, value := range map[string]string{sdp.SDESMidURI: mid, sdp.SDESRTPStreamIDURI: track.RID()} {
				if id, agreed := ids[uri]; agreed {
					if err := packet.SetExtension(id, []byte(value)); err != nil {
						return err
					}
				}
			}
			if err := track.WriteRTP(packet); err != nil {
				return err
			}
		}
		return nil
	}
}

// addTrack offers a track with its codec alone, and RTX.
func addTrack(connection *webrtc.PeerConnection, one *stream, codec string) (*webrtc.RTPSender, error) {
	once := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
	transceiver, err := connection.AddTransceiverFromTrack(one.track, once)
	if err != nil {
		return nil, err
	}
	sender := transceiver.Sender()
	var taken []webrtc.RTPCodecParameters
	for _, known := range sender.GetParameters().Codecs {
		if known.MimeType == mimeTypes[codec] {
			taken = append(taken, known)
			repair := fmt.Sprintf("apt=%d", known.PayloadType)
			for _, other := range sender.GetParameters().Codecs {
				if other.MimeType == webrtc.MimeTypeRTX && other.SDPFmtpLine == repair {
					taken = append(taken, other)
				}
			}
		}
	}
	return sender, transceiver.SetCodecPreferences(taken)
}

// listen hears what is asked of an encoding.
func listen(sender *webrtc.RTPSender, one *stream, rid string, simulcast bool) {
	for {
		var packets []rtcp.Packet
		var err error
		if simulcast {
			packets, _, err = sender.ReadSimulcastRTCP(rid)
		} else {
			packets, _, err = sender.ReadRTCP()
		}
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				one.asked()
			}
		}
	}
}

func discard(sender *webrtc.RTPSender) {
	for {
		if _, _, err := sender.ReadRTCP(); err != nil {
			return
		}
	}
}
