"""Buckets and objects as the JSON API shows them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from local.storage.model import StoredObject
from local.storage.objects import Bucket

Json = Mapping[str, object]


def bucket_resource(bucket: Bucket, base_url: str) -> Json:
    """The `storage#bucket` resource."""
    created = timestamp(bucket.created_at)
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "name": bucket.name,
        "selfLink": f"{base_url}/storage/v1/b/{bucket.name}",
        "projectNumber": "1",
        "location": "LOCAL",
        "locationType": "region",
        "storageClass": "STANDARD",
        "metageneration": "1",
        "timeCreated": created,
        "updated": created,
        "etag": "CAE=",
    }


def object_resource(stored: StoredObject, base_url: str) -> Json:
    """The `storage#object` resource; also the body of a finalize event."""
    path = f"/storage/v1/b/{stored.bucket}/o/{quote(stored.name, safe='')}"
    created = timestamp(stored.created_at)
    return {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": base_url + path,
        "mediaLink": f"{base_url}/download{path}?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "storageClass": "STANDARD",
        "size": str(stored.size_bytes),
        "md5Hash": stored.md5,
        "crc32c": stored.crc32c,
        "etag": _etag(stored),
        "timeCreated": created,
        "updated": created,
        "timeFinalized": created,
        "timeStorageClassUpdated": created,
        **_attributes(stored),
    }


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _attributes(stored: StoredObject) -> Json:
    attributes = stored.attributes
    fields = {
        "contentType": attributes.content_type,
        "contentEncoding": attributes.content_encoding,
        "contentDisposition": attributes.content_disposition,
        "contentLanguage": attributes.content_language,
        "cacheControl": attributes.cache_control,
        "metadata": dict(attributes.custom),
    }
    return {name: value for name, value in fields.items() if value}


def _etag(stored: StoredObject) -> str:
    version = f"{stored.generation}/{stored.metageneration}"
    return base64.b64encode(version.encode()).decode()
