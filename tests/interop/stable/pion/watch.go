package main

import (
	"bufio"
	"encoding/binary"
	"os"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// packetFile keeps what came: the time in microseconds (8 octets), the length (2 octets), the RTP packet.
type packetFile struct {
	guard  sync.Mutex
	file   *os.File
	writer *bufio.Writer
	count  int
}

func (p *packetFile) add(packet []byte) {
	p.guard.Lock()
	defer p.guard.Unlock()
	head := binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMicro()))
	head = binary.BigEndian.AppendUint16(head, uint16(len(packet)))
	p.writer.Write(head)
	p.writer.Write(packet)
	p.count++
}

// flush empties the buffer and tells how many packets there are.
func (p *packetFile) flush() int {
	p.guard.Lock()
	defer p.guard.Unlock()
	p.writer.Flush()
	return p.count
}

// watch asks for one video and one audio with all of Pion's codecs, and keeps every packet that comes.
func watch(connection *webrtc.PeerConnection, chosen options) (start, report func(), err error) {
	file, err := os.Create(chosen.packets)
	if err != nil {
		return nil, nil, err
	}
	kept := &packetFile{file: file, writer: bufio.NewWriter(file)}
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		only := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
		if _, err := connection.AddTransceiverFromKind(kind, only); err != nil {
			return nil, nil, err
		}
	}
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		say("track", fields{
			"payload_type": track.PayloadType(), "ssrc": track.SSRC(), "codec": track.Codec().MimeType,
		})
		if track.Kind() == webrtc.RTPCodecTypeVideo {
			ask := &rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}
			if err := connection.WriteRTCP([]rtcp.Packet{ask}); err != nil {
				say("warning", fields{"why": err.Error()})
			}
		}
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			if data, err := packet.Marshal(); err == nil {
				kept.add(data)
			}
		}
	})
	start = func() {
		go func() {
			for range time.Tick(time.Second) {
				say("receiving", fields{"packets": kept.flush()})
			}
		}()
	}
	report = func() {
		say("received", fields{"packets": kept.flush()})
	}
	return start, report, nil
}
