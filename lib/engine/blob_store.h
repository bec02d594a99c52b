#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kvs/archive.h"
#include "kvs/error.h"
#include "kvs/hash.h"

namespace kvs {

using Bytes = std::vector<std::byte>;

/// What a store keeps one archive under: a piece of a text's rows, or a prompt.
struct BlobName {
  enum class Kind { rows, prompt };
  Kind kind = Kind::rows;
  Hash128 group{};  ///< of the tenant or share group it belongs to
  Hash128 id{};

  bool operator==(const BlobName&) const = default;
};

struct Blob {
  BlobName name;
  int64_t bytes = 0;  ///< that it takes; 0 where unknown
};

/// Rows as they are, by the names of their pieces. May be used by several threads at a time.
class RecordShelf {
 public:
  virtual ~RecordShelf() = default;

  /// Replaces what has this name. Returns the bytes that it takes.
  virtual int64_t put(const BlobName& name, std::shared_ptr<const KvRecord> rows) = 0;
  /// Null where there is none.
  virtual std::shared_ptr<const KvRecord> get(const BlobName& name) = 0;
};

/// Named bytes. Every call may take its time and throws Error(io), naming the store, where that
/// fails. May be used by several threads at a time.
class BlobStore {
 public:
  virtual ~BlobStore() = default;

  /// For people: "/var/cache/kvs", "redis://localhost:6379/0".
  virtual const std::string& name() const = 0;
  /// Nobody else writes to it: what the first news() does not list is not there.
  virtual bool exclusive() const = 0;

  /// Whole or not at all. Replaces what has this name. Returns the bytes that it takes.
  virtual int64_t put(const BlobName& name, std::span<const std::byte> bytes) = 0;
  /// Nothing where there is none.
  virtual std::optional<Bytes> get(const BlobName& name) = 0;
  virtual void remove(const BlobName& name) = 0;

  /// Where rows go in place of bytes that are made from them; null where bytes are what is kept.
  /// remove() removes them too.
  virtual RecordShelf* shelf() { return nullptr; }

  /// Prompts put by anybody since the last call, all of them at the first one; where the store is
  /// exclusive, pieces of rows too, in the order in which they were put. Some may be gone by now,
  /// and some may be named twice. What cannot be looked at is passed over and complained about;
  /// where a call throws, the next one brings what it would have.
  using Complain = std::function<void(const Error&)>;
  virtual std::vector<Blob> news(const Complain& complain) = 0;
};

/// Memory of the host, with a shelf for rows: it ends with the process.
std::unique_ptr<BlobStore> make_memory_blobs();

/// A folder of files, this process's own until the end; made where it is missing. Throws Error(io)
/// where it cannot be used or another process uses it.
std::unique_ptr<BlobStore> open_folder_blobs(const std::string& folder);

/// A Redis server, which several servers may share: redis://[[USER]:PASSWORD@]HOST[:PORT][/DB].
/// Keys begin with "kvshare:" and `model`. Nothing is connected before the first call; behind a
/// failure calls fail at once for a while, from 0.1 s on twice as long each time, at most 10 s.
/// The server itself drops what was put `time_to_live_s` ago for the last time, where that is not
/// 0; rows that are there already are kept for longer, not put again. Throws Error(argument) where
/// the URL makes no sense.
std::unique_ptr<BlobStore> open_redis_blobs(const std::string& url, const Hash128& model,
                                            double time_to_live_s);

}  // namespace kvs
