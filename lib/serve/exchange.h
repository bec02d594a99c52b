#pragma once

#include <httplib.h>

#include <string>

#include "kvs/json.h"
#include "serve/connection.h"
#include "serve/refusal.h"
#include "serve/tenants.h"

namespace kvs {

/// A request being answered.
struct Exchange {
  const httplib::Request& request;
  httplib::Response& response;
  Connection& connection;
  Caller caller;
  std::string body{};

  void answer(const Json& json, int status = 200) const;
  void refuse(const Refusal& refusal) const;
};

/// The connection ends with this answer, and the client is told.
void end_connection(httplib::Response& response, Connection& connection);

/// 16 random hexadecimal digits.
std::string random_id();

/// Whether whoever asks is on this machine. A proxy there speaks for somebody else.
bool is_local(const httplib::Request& request);

/// The key of "Authorization: Bearer KEY", or nothing.
std::string bearer_key(const httplib::Request& request);

}  // namespace kvs
