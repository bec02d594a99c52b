#include "tools/source_commit.h"

#include "commit.h"

namespace kvs {

std::string source_commit() {
  return kCommit;
}

}  // namespace kvs
