#include "serve/page.h"
#include "serve/service.h"

namespace kvs {

void Service::health(Exchange& exchange) {
  const bool failed = !failure().empty();
  const char* status = failed ? "failed" : (serving_ ? "ok" : "loading");
  exchange.answer(Json::Object{{"status", status}}, failed ? 500 : 200);
}

void Service::ready(Exchange& exchange) {
  if (!failure().empty())
    throw Refusal{.status = 503, .type = "server_error", .message = "the engine has failed"};
  exchange.answer(Json::Object{{"status", "ready"}});
}

// Without figures: those it asks /metrics and /decisions for.
void Service::page(Exchange& exchange) {
  exchange.response.set_header("Content-Security-Policy",
                               "default-src 'none'; style-src 'unsafe-inline'; "
                               "script-src 'unsafe-inline'; connect-src 'self'");
  exchange.response.set_content(kPage, "text/html; charset=utf-8");
}

// What is said of all tenants together is not for any of them.
void Service::check_watcher(const httplib::Request& request) const {
  const auto caller = tenants_.find(bearer_key(request));
  const bool by_key = tenants_.has_keys() && caller && caller->may_read_metrics;
  if (!by_key && !from_this_machine(request))
    throw Refusal{.status = 403,
                  .message = "this is for this machine and for keys that may read metrics",
                  .code = "not_allowed"};
}

void Service::metrics(Exchange& exchange) {
  check_watcher(exchange.request);
  exchange.response.set_content(metrics_.text(loop_->state()),
                                "text/plain; version=0.0.4; charset=utf-8");
}

void Service::decisions(Exchange& exchange) {
  check_watcher(exchange.request);
  exchange.answer(decisions_.to_json());
}

}  // namespace kvs
