package route

import (
	"net/http"

	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
)

// The paths that http annotations cannot describe, because their answers are no JSON.
const (
	// AttachmentDownload hands out the bytes of an attachment.
	AttachmentDownload = "/api/v2/attachments/{id}/download"
	// ExportDownload hands out the archive of an export.
	ExportDownload = "/api/v2/privacy/exports/{id}/download"
	// DataMapCSV and FlowsCSV are the data map as tables, DataMapSVG as a picture.
	DataMapCSV = "/api/v2/privacy/data_map.csv"
	FlowsCSV   = "/api/v2/privacy/data_map_flows.csv"
	DataMapSVG = "/api/v2/privacy/data_map.svg"
)

// Own returns the routes of those paths, without their handlers.
func Own() ([]*Route, error) {
	var routes []*Route
	for _, own := range []struct{ template, service, method, mediaType string }{
		{AttachmentDownload, ticketsv1.AttachmentsService_ServiceDesc.ServiceName, "DownloadAttachment", "application/octet-stream"},
		{ExportDownload, privacyv1.PrivacyService_ServiceDesc.ServiceName, "DownloadExport", "application/zip"},
		{DataMapCSV, privacyv1.PrivacyService_ServiceDesc.ServiceName, "GetDataMap", "text/csv"},
		{FlowsCSV, privacyv1.PrivacyService_ServiceDesc.ServiceName, "GetDataMap", "text/csv"},
		{DataMapSVG, privacyv1.PrivacyService_ServiceDesc.ServiceName, "GetDataMap", "image/svg+xml"},
	} {
		md, err := Method(own.service, own.method)
		if err != nil {
			return nil, err
		}
		r, err := New(http.MethodGet, own.template, md)
		if err != nil {
			return nil, err
		}
		r.AnyType, r.MediaType = true, own.mediaType
		routes = append(routes, r)
	}
	return routes, nil
}
