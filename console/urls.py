"""Addresses of the console. Names are stable: templates and tests use them."""

from django.urls import path, register_converter

from console.converters import DifferenceConverter, FiscalDayConverter, SiteCodeConverter
from console.views import (
    approvals,
    audit,
    auth,
    correct,
    correct_many,
    day,
    entry,
    fragments,
    gallery,
    health,
    ledger,
    metrics,
    network,
    operate,
    people,
    quarantine,
    reports,
    settle,
    setup,
    site,
)

register_converter(DifferenceConverter, "difference")
register_converter(FiscalDayConverter, "fiscal_day")
register_converter(SiteCodeConverter, "site_code")

handler403 = "console.views.errors.permission_denied"
handler404 = "console.views.errors.page_not_found"

urlpatterns = [
    path("", network.network, name="network"),
    path("sites/", setup.sites, name="sites"),
    # Beside /sites/, where each name is a site's code.
    path("site-options/", network.site_options, name="site_options"),
    path("new-site/", setup.site_new, name="site_new"),
    path("sites/<site_code:code>/setup/", setup.site_setup, name="site_setup"),
    path("sites/<site_code:code>/setup/<slug:part>/", setup.site_equipment, name="site_equipment"),
    path("people/", people.people, name="people"),
    path("people/new/", people.person_new, name="person_new"),
    path("people/<int:person_id>/", people.person, name="person"),
    path("people/<int:person_id>/password/", people.person_password, name="person_password"),
    path("sites/<site_code:code>/", site.site, name="site"),
    path("sites/<site_code:code>/days/", day.days, name="days"),
    path("sites/<site_code:code>/days/<fiscal_day:fiscal_day>/", day.day, name="day"),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/<int:sequence>/",
        entry.entry,
        name="entry",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/<int:sequence>/correct/",
        correct.correct,
        name="correct",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/<int:sequence>/void/",
        correct.void,
        name="void",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/<int:sequence>/add/",
        correct.add,
        name="add",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/<int:sequence>/decide/<int:revision>/",
        approvals.decide,
        name="decide",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/correct/",
        correct_many.correct_many,
        name="correct_many",
    ),
    path("approvals/", approvals.approvals, name="approvals"),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/resend/",
        operate.request_resend,
        name="request_resend",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/reconciliation/",
        settle.reconciliation,
        name="reconciliation",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/reconciliation/<difference:slug>/",
        settle.explain,
        name="explain_difference",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/close/",
        settle.close_day,
        name="close_day",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/seal/",
        settle.seal_day,
        name="seal_day",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/seal/propose/",
        settle.propose_seal,
        name="propose_seal",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/seal/withdraw/",
        settle.withdraw_seal,
        name="withdraw_seal",
    ),
    path("days/", settle.days_to_seal, name="days_to_seal"),
    path(
        "sites/<site_code:code>/alarms/acknowledge/",
        operate.acknowledge_alarm,
        name="acknowledge_alarm",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/report/",
        reports.report_day,
        name="report_day",
    ),
    path("ledger/", ledger.ledger, name="ledger"),
    path("reports/", reports.reports, name="reports"),
    path("reports/day/", reports.report_find, name="report_find"),
    path("reports/period/", reports.report_period, name="report_period"),
    path("reports/stock/", reports.report_stock, name="report_stock"),
    path("reports/export/", reports.report_export, name="report_export"),
    path("quarantine/", quarantine.quarantine, name="quarantine"),
    path("quarantine/decide/", quarantine.decide_all, name="quarantine_decide"),
    path("quarantine/<int:message_id>/", quarantine.message, name="quarantine_message"),
    path("quarantine/<int:message_id>/raw/", quarantine.message_raw, name="quarantine_message_raw"),
    path(
        "quarantine/<int:message_id>/decide/", quarantine.decide, name="quarantine_message_decide"
    ),
    path("quarantine/<int:message_id>/mend/", quarantine.mend, name="quarantine_mend"),
    path("quarantine/<int:message_id>/register/", quarantine.register, name="quarantine_register"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export/<str:kind>/", audit.audit_export, name="audit_export"),
    # Pieces of pages, by poll and (where the server is ASGI, before it comes here) by stream.
    path("fragments/", fragments.network_fragments, name="network_fragments"),
    path(
        "sites/<site_code:code>/fragments/",
        fragments.site_fragments,
        name="site_fragments",
    ),
    path(
        "sites/<site_code:code>/days/<fiscal_day:fiscal_day>/fragments/",
        fragments.day_fragments,
        name="day_fragments",
    ),
    path("live/", fragments.stream, name="live_network"),
    path("live/sites/<site_code:code>/", fragments.stream, name="live_site"),
    path(
        "live/sites/<site_code:code>/days/<fiscal_day:fiscal_day>/",
        fragments.stream,
        name="live_day",
    ),
    path("gallery/", gallery.index, name="gallery"),
    path("gallery/changes/", gallery.changes, name="gallery_changes"),
    path("gallery/show/<path:name>/", gallery.show, name="gallery_show"),
    path("gallery/frame/<path:name>/<slug:state>/", gallery.frame, name="gallery_frame"),
    path("sign-in/", auth.sign_in, name="sign_in"),
    path("sign-out/", auth.sign_out, name="sign_out"),
    path("language/", auth.language, name="language"),
    path("health/", health.health, name="health"),
    # Without the slash at the end, because that is where Prometheus looks.
    path("metrics", metrics.metrics, name="metrics"),
]
