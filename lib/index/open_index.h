#pragma once

#include <filesystem>
#include <memory>

#include "base/mapped_file.h"
#include "index/index_data.h"
#include "index/manifest.h"

namespace kvs {

/// One generation of an index, held open: its files may be deleted meanwhile.
struct OpenIndex {
  Manifest manifest;
  IndexData data;
  std::unique_ptr<MappedFile> vectors_file;
  VectorsShape shape;  ///< of the vectors' file, also when `data` went elsewhere

  /// Loads FAISS. Throws Error(format), naming the file, where it is damaged.
  ScopeVectors read_vectors() const;
};

/// Throws as DonorIndex's constructor.
OpenIndex open_index(const std::filesystem::path& folder);

}  // namespace kvs
