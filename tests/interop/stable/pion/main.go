// Command pion publishes or watches with Pion, as tests/interop/stable/client.py asks for it.
//
//	pion publish URL --token T --codec vp8 --video clip.ivf [--video ...] [--audio opus.ivf]
//	pion watch URL --token T --packets FILE
//
// With --way tcp it has no UDP, with --way relay-udp or relay-tcp it relays all it sends by the TURN server of which
// the node tells it.
//
// It runs until its standard input ends and prints what happens, an event per line.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
)

const connectTimeout = 30 * time.Second

type options struct {
	role, url, token, codec, packets, audio, way string
	videos                                       []string // from the smallest on; more than one is simulcast
}

func parse(arguments []string) (options, error) {
	if len(arguments) < 2 || len(arguments)%2 != 0 {
		return options{}, fmt.Errorf("usage: publish|watch URL [--OPTION VALUE]...")
	}
	parsed := options{role: arguments[0], url: arguments[1]}
	for i := 2; i < len(arguments); i += 2 {
		value := arguments[i+1]
		switch arguments[i] {
		case "--token":
			parsed.token = value
		case "--codec":
			parsed.codec = value
		case "--packets":
			parsed.packets = value
		case "--audio":
			parsed.audio = value
		case "--way":
			parsed.way = value
		case "--video":
			parsed.videos = append(parsed.videos, value)
		default:
			return options{}, fmt.Errorf("unknown option %s", arguments[i])
		}
	}
	return parsed, nil
}

var (
	printing sync.Mutex
	turnLink = regexp.MustCompile(`<(turn:[^>]*)>; rel="ice-server"; username="([^"]*)"; credential="([^"]*)"`)
)

type fields map[string]any

// say prints an event with the time in microseconds since 1970.
func say(event string, more fields) {
	line := fields{"event": event, "at_us": time.Now().UnixMicro()}
	for name, value := range more {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(string(text))
}

// connect makes a connection with Pion's usual interceptors: NACK, RTX, reports, transport-wide feedback.
func connect(publishing bool, way string, relays []webrtc.ICEServer) (*webrtc.PeerConnection, error) {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	interceptors := &interceptor.Registry{}
	if err := webrtc.RegisterDefaultInterceptors(media, interceptors); err != nil {
		return nil, err
	}
	if publishing {
		if err := webrtc.ConfigureTWCCHeaderExtensionSender(media, interceptors); err != nil {
			return nil, err
		}
	}
	engine := webrtc.SettingEngine{}
	configuration := webrtc.Configuration{}
	if way == "tcp" {
		engine.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}
	if len(relays) > 0 {
		configuration = webrtc.Configuration{ICEServers: relays, ICETransportPolicy: webrtc.ICETransportPolicyRelay}
	}
	api := webrtc.NewAPI(
		webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(engine),
	)
	return api.NewPeerConnection(configuration)
}

// findRelays makes a session and leaves it, since what the node tells of TURN servers comes with its answer
// (RFC 9725 section 4.6).
func findRelays(chosen options) ([]webrtc.ICEServer, error) {
	connection, err := connect(false, "", nil)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	direction := webrtc.RTPTransceiverDirectionRecvonly
	if chosen.role == "publish" {
		direction = webrtc.RTPTransceiverDirectionSendonly
	}
	only := webrtc.RTPTransceiverInit{Direction: direction}
	if _, err := connection.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio, only); err != nil {
		return nil, err
	}
	session, err := negotiate(connection, chosen)
	if err != nil {
		return nil, err
	}
	if session == nil {
		return nil, fmt.Errorf("no session, so no TURN server")
	}
	session.leave()
	transport := "?transport=" + strings.TrimPrefix(chosen.way, "relay-")
	for _, link := range session.links {
		found := turnLink.FindStringSubmatch(link)
		if found != nil && strings.HasSuffix(found[1], transport) {
			server := webrtc.ICEServer{URLs: []string{found[1]}, Username: found[2], Credential: found[3]}
			return []webrtc.ICEServer{server}, nil
		}
	}
	return nil, fmt.Errorf("no TURN server with %s in %q", transport, session.links)
}

func run(chosen options) error {
	var relays []webrtc.ICEServer
	if strings.HasPrefix(chosen.way, "relay-") {
		found, err := findRelays(chosen)
		if err != nil {
			return err
		}
		relays = found
	}
	connection, err := connect(chosen.role == "publish", chosen.way, relays)
	if err != nil {
		return err
	}
	defer connection.Close()
	connected, ended := make(chan struct{}), make(chan string, 1)
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		say("state", fields{"state": state.String()})
		switch state {
		case webrtc.PeerConnectionStateConnected:
			close(connected)
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			select {
			case ended <- state.String():
			default:
			}
		}
	})
	var start, report func()
	if chosen.role == "publish" {
		start, report, err = publish(connection, chosen)
	} else {
		start, report, err = watch(connection, chosen)
	}
	if err != nil {
		return err
	}
	session, err := negotiate(connection, chosen)
	if err != nil {
		return err
	}
	if session == nil {
		return nil // refused, and said so
	}
	defer session.leave()
	left := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(left)
	}()
	select {
	case <-connected:
		say("connected", nil)
		start()
	case <-left:
		return nil
	case <-time.After(connectTimeout):
		return fmt.Errorf("not connected within %v", connectTimeout)
	}
	select {
	case state := <-ended:
		report()
		return fmt.Errorf("the connection is %s", state)
	case <-left:
		report()
		return nil
	}
}

func main() {
	chosen, err := parse(os.Args[1:])
	if err == nil {
		err = run(chosen)
	}
	if err != nil {
		say("failed", fields{"why": err.Error()})
		os.Exit(1)
	}
}
