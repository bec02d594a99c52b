#pragma once

#include <string>

#include "kvs/archive.h"

namespace kvs {

/// Where a tool writes an archive: a path, or "-" for standard output. Throws Error(argument) where
/// that is a terminal, and what ArchiveWriter throws.
ArchiveWriter open_archive(const std::string& output, const ArchiveHeader& header,
                           const ArchiveOptions& options = {});

}  // namespace kvs
