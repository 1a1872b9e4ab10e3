package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/telemetry"
)

// waiting tells CloudWatch how long the oldest task has waited: by that the fleet of
// workers grows. Every worker tells of all databases, so that one that is cut off
// from CloudWatch leaves no gap; of a minute's values the largest counts.
type waiting struct {
	client *cloudwatch.Client
	doc    settings.Worker
	oldest func(context.Context) (time.Duration, error)
	every  time.Duration
	log    *slog.Logger
}

// newWaiting opens no connection. CloudWatch knows the machine by its role.
func newWaiting(w *worker, options ...func(*cloudwatch.Options)) *waiting {
	return &waiting{
		client: cloudwatch.New(cloudwatch.Options{
			Region:      w.doc.CloudWatch.Region,
			Credentials: aws.NewCredentialsCache(ec2rolecreds.New()),
			HTTPClient:  &http.Client{Timeout: 10 * time.Second},
		}, options...),
		doc: w.doc,
		oldest: func(ctx context.Context) (time.Duration, error) {
			return w.store.OldestTask(ctx, queue.QueuePhoto, queue.QueueFanOut, queue.QueueFollow)
		},
		every: time.Minute,
		log:   w.log,
	}
}

// task tells until ctx is done. What keeps it from that is logged when it begins,
// and keeps nobody from working.
func (w *waiting) task() telemetry.Task {
	return telemetry.Task{Name: "waiting", Run: func(ctx context.Context) error {
		tick := time.NewTicker(w.every)
		defer tick.Stop()
		failing := false
		for {
			err := w.tell(ctx)
			if err != nil && !failing && ctx.Err() == nil {
				w.log.WarnContext(ctx, "tell CloudWatch how long tasks wait", "error", err)
			}
			failing = err != nil
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}}
}

// tell publishes one value. It tells of the databases that answer even if another
// does not.
func (w *waiting) tell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	age, missing := w.oldest(ctx)
	_, err := w.client.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
		Namespace: &w.doc.CloudWatch.Namespace,
		MetricData: []types.MetricDatum{{
			MetricName: aws.String("OldestTaskSeconds"),
			Dimensions: []types.Dimension{{Name: aws.String("Stack"), Value: &w.doc.Stack}},
			Unit:       types.StandardUnitSeconds,
			Value:      aws.Float64(age.Seconds()),
		}},
	})
	if err != nil {
		return err
	}
	return missing
}
