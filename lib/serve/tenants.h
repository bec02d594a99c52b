#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace kvs {

/// Who sent a request, as the operator's file says.
struct Caller {
  std::string tenant;       ///< empty: the one local tenant of a server without keys
  std::string share_group;  ///< tenants of one group reuse each other's rows; empty: nobody else's
  bool may_read_metrics = false;
  bool is_operator = false;     ///< may delete anybody's donors
  int requests_per_minute = 0;  ///< of the tenant, whichever key it uses; 0: any number

  /// The partition of the donor store that the caller's requests read and write. Equal ones only
  /// for callers of one tenant or one share group; `cache_salt` narrows it down within the tenant.
  std::string partition(std::string_view cache_salt) const;
};

/// Whether text of a partition may be published (DonorStore::publish_by()): what a salt keeps apart
/// may not.
bool may_publish(std::string_view partition);

/// Whether a donor in a partition is a tenant's: it is in one of the tenant alone or, in a group's,
/// the tenant's request made it (see donor_id()).
bool is_of_tenant(std::string_view tenant, std::string_view partition, std::string_view donor_id);

/// The API keys and whose they are. Thread-safe.
///
/// A key file has a line for each key: its SHA-256 in hexadecimal digits, the tenant, and what it
/// may do: "group=NAME", "metrics" and "operator", each once at most; "rate=N" and "memory=MiB" are
/// the tenant's, of whichever key. Names are 1 to 64 letters, digits, '.', '_' and '-'. Lines that
/// begin with '#' and empty ones are passed over.
class Tenants {
 public:
  /// An empty path: whoever comes is the local tenant. Throws Error(io) where the file cannot be
  /// read, Error(format) "keys:7: …" where a line is none of the above.
  explicit Tenants(std::filesystem::path keys);

  /// Whose the key is, or nothing.
  std::optional<Caller> find(std::string_view key) const;
  bool has_keys() const { return !path_.empty(); }
  /// How many bytes of KV the donors of a tenant may take, of those that have a limit.
  std::map<std::string, int64_t> memory_quotas() const;

  /// Reads the file again; throws as the constructor does, and keeps what was there.
  void reload();

 private:
  struct File {
    std::unordered_map<std::string, Caller> callers;  // by the key's SHA-256
    std::map<std::string, int> rates;                 // by tenant
    std::map<std::string, int> memory_mebibytes;      // so too
  };

  static void add_line(File& file, const std::string& line, const std::string& where);
  static File read(const std::filesystem::path& path);
  std::shared_ptr<const File> file() const;

  std::filesystem::path path_;
  mutable std::mutex mutex_;
  std::shared_ptr<const File> file_;
};

}  // namespace kvs
