package main

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"
)

const (
	retryWait   = 500 * time.Millisecond
	retryWithin = 10 * time.Second
)

// session is what the server created for our offer (RFC 9725 section 4.2).
type session struct {
	url, token string
	links      []string
}

func (s *session) leave() {
	request, err := http.NewRequest(http.MethodDelete, s.url, nil)
	if err != nil {
		return
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	client := http.Client{Timeout: 5 * time.Second}
	if response, err := client.Do(request); err == nil {
		response.Body.Close()
	}
}

// negotiate posts the offer with all candidates and sets the answer. While there is nothing to watch (409 with
// Retry-After) it tries again. A refusal is said, and then there is no session.
func negotiate(connection *webrtc.PeerConnection, chosen options) (*session, error) {
	offer, err := connection.CreateOffer(nil)
	if err != nil {
		return nil, err
	}
	gathered := webrtc.GatheringCompletePromise(connection)
	if err := connection.SetLocalDescription(offer); err != nil {
		return nil, err
	}
	<-gathered
	sdp := connection.LocalDescription().SDP
	say("offer", fields{"sdp": sdp})
	until := time.Now().Add(retryWithin)
	for {
		response, body, err := post(chosen, sdp)
		if err != nil {
			return nil, err
		}
		if response.StatusCode == http.StatusCreated {
			say("answer", fields{"status": response.StatusCode, "sdp": body})
			location, err := resolve(chosen.url, response.Header.Get("Location"))
			if err != nil {
				return nil, err
			}
			answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: body}
			links := strings.Split(strings.Join(response.Header.Values("Link"), ", "), ", <")
			for number := 1; number < len(links); number++ {
				links[number] = "<" + links[number]
			}
			return &session{location, chosen.token, links}, connection.SetRemoteDescription(answer)
		}
		if response.Header.Get("Retry-After") == "" || time.Now().After(until) {
			say("refused", fields{"status": response.StatusCode, "body": body})
			return nil, nil
		}
		time.Sleep(retryWait)
	}
}

func post(chosen options, sdp string) (*http.Response, string, error) {
	request, err := http.NewRequest(http.MethodPost, chosen.url, bytes.NewBufferString(sdp))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Content-Type", "application/sdp")
	request.Header.Set("Authorization", "Bearer "+chosen.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

func resolve(base, location string) (string, error) {
	at, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	to, err := at.Parse(location)
	if err != nil {
		return "", err
	}
	return to.String(), nil
}
