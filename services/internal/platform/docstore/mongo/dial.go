package mongo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.opentelemetry.io/otel/trace"
)

// oldest is the first version of the server that has everything this adapter needs.
const oldest = 6

// probeLimit is how long a deployment has to answer at start.
const probeLimit = 10 * time.Second

// DialOptions say how to connect.
type DialOptions struct {
	// Setting is the name of the flag the address came from, for messages.
	Setting string
	// UnsafeStandalone accepts a server outside a replica set.
	UnsafeStandalone bool
	// Tracer makes a span of every command, without values; nil makes none.
	Tracer trace.Tracer
}

// Deployment is a connected MongoDB that was looked at.
type Deployment struct {
	// Client is connected.
	Client *driver.Client
	// Standalone says that it is a server outside a replica set.
	Standalone bool
}

// Dial connects and looks at the deployment: it answers, it is a replica set or a
// sharded cluster, it is not too old. Errors are sentences that say what to do,
// without the address, which may hold a password.
func Dial(ctx context.Context, uri string, o DialOptions) (*Deployment, error) {
	set := options.Client().SetAppName("lethe").SetServerSelectionTimeout(probeLimit).ApplyURI(uri)
	if err := set.Validate(); err != nil {
		return nil, fmt.Errorf("%s is no address of a MongoDB: it looks like mongodb://HOST:PORT,HOST:PORT/?replicaSet=NAME", o.Setting)
	}
	if o.Tracer != nil {
		set.SetMonitor(Monitor(o.Tracer))
	}
	client, err := driver.Connect(set)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be used: the driver refuses it", o.Setting)
	}
	d := &Deployment{Client: client}
	if err := d.look(ctx, o); err != nil {
		return nil, errors.Join(err, client.Disconnect(context.WithoutCancel(ctx)))
	}
	return d, nil
}

// hello is what a server says of itself.
type hello struct {
	SetName string `bson:"setName"`
	Msg     string `bson:"msg"`
}

func (d *Deployment) look(ctx context.Context, o DialOptions) error {
	ctx, stop := context.WithTimeout(ctx, probeLimit)
	defer stop()
	if err := d.Client.Ping(ctx, readpref.Primary()); err != nil {
		return fmt.Errorf("the MongoDB of %s has no primary that answers: see that it runs, that this machine reaches all its members, and that user and password are right", o.Setting)
	}
	admin := d.Client.Database("admin")
	var h hello
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&h); err != nil {
		return fmt.Errorf("the MongoDB of %s does not say what it is: it is too old or none", o.Setting)
	}
	d.Standalone = h.SetName == "" && h.Msg != "isdbgrid"
	if d.Standalone && !o.UnsafeStandalone {
		return fmt.Errorf("the MongoDB of %s is a single server outside a replica set, which may lose what it confirmed: make it a replica set (of three members; of one for a trial), or give --mongo-unsafe-standalone", o.Setting)
	}
	var info struct {
		Version []int32 `bson:"versionArray"`
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info); err != nil || len(info.Version) == 0 {
		return fmt.Errorf("the MongoDB of %s does not tell its version", o.Setting)
	}
	if info.Version[0] < oldest {
		return fmt.Errorf("the MongoDB of %s is of version %d: version %d or newer is needed", o.Setting, info.Version[0], oldest)
	}
	return nil
}

// Close disconnects.
func (d *Deployment) Close(ctx context.Context) error {
	if d == nil {
		return nil
	}
	return d.Client.Disconnect(ctx)
}

// Installation is the id of a database's data. The keys carry the same, so that
// documents are never used with the keys of another desk.
type Installation struct {
	ID [16]byte
	// Sealed says that keys were made for it: from then on they must be there.
	Sealed bool
}

type storedInstallation struct {
	ID           string      `bson:"_id"`
	Installation bson.Binary `bson:"installation"`
	Service      string      `bson:"service"`
	Sealed       bool        `bson:"sealed"`
}

const installationID = "installation"

// FindInstallation reads the id of a service's database, or makes one. It also
// finds out whether writes are confirmed by a majority. Errors are sentences.
func FindInstallation(ctx context.Context, d *Deployment, database, service string) (Installation, error) {
	ctx, stop := context.WithTimeout(ctx, probeLimit)
	defer stop()
	c := installations(d, database)
	id := [16]byte{}
	_, _ = rand.Read(id[:])
	_, err := c.UpdateOne(ctx, idIs(installationID), bson.D{
		{Key: "$setOnInsert", Value: bson.D{{Key: "installation", Value: bson.Binary{Data: id[:]}}, {Key: "service", Value: service}, {Key: "sealed", Value: false}}},
		{Key: "$max", Value: bson.D{{Key: "opened_at", Value: time.Now().UnixMilli()}}},
	}, options.UpdateOne().SetUpsert(true))
	if err != nil && !driver.IsDuplicateKeyError(err) {
		return Installation{}, fmt.Errorf("the database %s does not confirm a write by a majority of its members within %v: see that most of them run and that the user may write: %w", database, probeLimit, failure(ctx, err))
	}
	var st storedInstallation
	if err := c.FindOne(ctx, idIs(installationID)).Decode(&st); err != nil {
		return Installation{}, fmt.Errorf("read what the database %s belongs to: %w", database, failure(ctx, err))
	}
	if st.Service != service {
		return Installation{}, fmt.Errorf("the database %s belongs to %s, not to %s: name another one", database, st.Service, service)
	}
	in := Installation{Sealed: st.Sealed}
	copy(in.ID[:], st.Installation.Data)
	return in, nil
}

// MarkSealed records that the keys of an installation exist.
func MarkSealed(ctx context.Context, d *Deployment, database string) error {
	ctx, stop := context.WithTimeout(ctx, probeLimit)
	defer stop()
	_, err := installations(d, database).UpdateOne(ctx, idIs(installationID), set(bson.D{{Key: "sealed", Value: true}}))
	return failure(ctx, err)
}

func installations(d *Deployment, database string) *driver.Collection {
	return d.Client.Database(database, options.Database().SetWriteConcern(confirmed()).SetReadPreference(readpref.Primary())).Collection("installation")
}
