package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sideshow/apns2/payload"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store"
)

// verbs are what people did, by kind of activity, in English.
var verbs = map[string]string{
	"like":     "liked your photo",
	"comment":  "commented on your photo",
	"follow":   "started following you",
	"request":  "asked to follow you",
	"approval": "accepted your request to follow",
	"mention":  "mentioned you",
}

// payloadOf is what a phone shows of news by actors, of whom there is one or more: in its
// own language if the app knows the key, else in English. The keys are the kind in
// capitals with, as arguments, a name; with _TWO two names; with _MANY a name and the
// number of the others; and COMMENT_TEXT, with a name and the beginning of the comment.
// https://developer.apple.com/documentation/usernotifications/generating-a-remote-notification
func payloadOf(task queue.Notify, news store.News, actors []store.User) *payload.Payload {
	key, name := strings.ToUpper(task.About), actors[0].Name
	args := []string{name}
	who, did := name, verbs[task.About]+"."
	switch others := news.Count - 1; {
	case others > 1 || others == 1 && len(actors) == 1:
		key, args = key+"_MANY", append(args, strconv.FormatInt(others, 10))
		who = fmt.Sprintf("%s and %d others", name, others)
		if others == 1 {
			who = name + " and 1 other"
		}
	case others == 1:
		key, args = key+"_TWO", append(args, actors[1].Name)
		who = name + " and " + actors[1].Name
	case news.Text != "":
		key, args = key+"_TEXT", append(args, news.Text)
		did = "commented: “" + news.Text + "”"
	}
	p := payload.NewPayload().
		AlertBody(who+" "+did).
		AlertLocKey(key).
		AlertLocArgs(args).
		Badge(news.Lines).
		Sound("default").
		Category(strings.ToUpper(task.About)).
		ThreadID(thread(task)).
		Custom("kind", task.About).
		Custom("actor", actors[0].ID.String())
	for field, i := range map[string]id.ID{"media": task.Media, "comment": news.Comment} {
		if i != 0 {
			p.Custom(field, i.String())
		}
	}
	return p
}

// thread is what pushes of one kind around one photo have in common: they stand together
// on the phone, and the next replaces the one before.
func thread(task queue.Notify) string {
	if task.Media == 0 {
		return task.About
	}
	return task.About + "-" + task.Media.String()
}
