#pragma once

namespace kvs {

/// page.html: the page at "/", which shows what /metrics and /decisions say. It asks nobody else
/// for anything.
extern const char* const kPage;

}  // namespace kvs
