package config

import "path/filepath"

// Storage is embedded by programs that keep data.
type Storage struct {
	Data                  string   `help:"Data folder; it is made when it does not exist. Each service keeps a folder of its own in it." default:"data" placeholder:"DIR" type:"path"`
	MasterKey             string   `help:"File with the master key; in the data folder when not given, which is no protection against a copy of that folder." placeholder:"FILE" type:"path"`
	MongoURI              Secret   `name:"mongo-uri" help:"Keep documents in this MongoDB deployment, a replica set or a sharded cluster, instead of SQLite files. It may hold a password: prefer the environment." placeholder:"URI"`
	MongoKeysURI          Secret   `name:"mongo-keys-uri" help:"Keep keys in this MongoDB deployment, which should have shorter backups; in that of the documents when not given." placeholder:"URI"`
	MongoPrefix           string   `help:"Begins the names of the databases; two desks on one deployment need two." default:"lethe" placeholder:"NAME"`
	MongoUnsafeStandalone bool     `help:"Accept a MongoDB server that is no replica set, which loses what it confirmed when it crashes at the wrong moment."`
	MongoGrace            Duration `help:"With MongoDB, for how long a fence waits for writes that are under way in other replicas; a write may take half as long." default:"2s"`
}

// MasterKeyFile returns where the master key lies.
func (s Storage) MasterKeyFile() string {
	if s.MasterKey != "" {
		return s.MasterKey
	}
	return filepath.Join(s.Data, "master.key")
}

// Network is embedded by programs that call and are called.
type Network struct {
	Identity          string `help:"Folder with the services' identity keys, the same for all of them: NAME.key signs what a service says, NAME.pub lets the others check it. It is in the data folder when not given." placeholder:"DIR" type:"path"`
	IdentityKey       string `help:"File with this program's own private key, when the folder of identities is shared and holds public keys only." placeholder:"FILE" type:"path"`
	TLSCert           string `name:"tls-cert" help:"Certificate shown to other services; with --tls-key and --tls-ca both sides of every connection check each other." placeholder:"FILE" type:"path"`
	TLSKey            string `name:"tls-key" help:"Private key of the certificate." placeholder:"FILE" type:"path"`
	TLSCA             string `name:"tls-ca" help:"Certificates of the authority that signs those of all services." placeholder:"FILE" type:"path"`
	InsecurePlaintext bool   `help:"Listen without TLS where other machines can reach it, because something else encrypts the network."`
}

// IdentityFolder returns where identities lie, given the data folder.
func (n Network) IdentityFolder(data string) string {
	if n.Identity != "" {
		return n.Identity
	}
	return filepath.Join(data, "identity")
}
