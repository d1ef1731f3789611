"""All routes of the API function."""

from __future__ import annotations

from common.web.routes import RouteTable
from functions.api import (
    consents,
    erasures,
    exports,
    faces,
    me,
    meta,
    people,
    photos,
    scenes,
    uploads,
    videos,
)
from functions.api.services import Api

routes: RouteTable[Api] = RouteTable.joined(
    uploads.routes,
    videos.routes,
    scenes.routes,
    people.routes,
    photos.routes,
    consents.routes,
    faces.routes,
    erasures.routes,
    exports.routes,
    me.routes,
    meta.routes,
)
