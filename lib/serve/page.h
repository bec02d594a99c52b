#pragma once

namespace kvs {

/// page.html: the page at "/", which plots what /metrics says. It asks nobody else for anything.
extern const char* const kPage;

}  // namespace kvs
