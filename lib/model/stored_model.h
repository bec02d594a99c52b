#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "kvs/model_files.h"
#include "kvs/stored_tensor.h"

namespace kvs {

/// A tensor that holds a weight, and how.
struct StoredWeight {
  const StoredTensor* tensor = nullptr;
  std::string path;  ///< of its file, for messages
  /// The rows of each head are in the order of interleaved pairing: row 2e of the file is our row
  /// e, row 2e + 1 our row e + head_dim / 2.
  bool interleaved = false;
};

/// ModelFiles over mapped files. A subclass owns the files and says which tensor is which weight.
class StoredModel : public ModelFiles {
 public:
  WeightRows get(WeightKind kind, int layer) const override;
  Hash128 fingerprint() const override;

 protected:
  using Find = std::function<StoredWeight(WeightKind kind, int layer)>;

  using ModelFiles::ModelFiles;
  /// Asks `find` for every weight of the configuration and checks its shape. Throws Error(format)
  /// where one has another; `find` throws where there is none.
  void place_weights(const Find& find);
  /// Whether place_weights() has found a use for this tensor.
  bool is_placed(const StoredTensor& tensor) const;

 private:
  std::map<std::pair<WeightKind, int>, StoredWeight> weights_;
};

/// Throws Error(format) "PATH: tensor 'NAME' is missing".
[[noreturn]] void fail_missing_tensor(const std::string& path, std::string_view name);
/// Throws Error(format) where a file holds a tensor that the model's computation has no place for:
/// running without it would silently be another model.
[[noreturn]] void fail_unknown_tensor(const std::string& path, std::string_view name,
                                      std::string_view architecture);

}  // namespace kvs
