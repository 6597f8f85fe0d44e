"""The ledger's tables. Keys are what the business writes on paper; see each module."""

from ledger.models.audit import AuditEvent, AuditLink, AuditUnlinked
from ledger.models.command import Command
from ledger.models.correction import Correction, CorrectionPosting
from ledger.models.day import (
    DayTotal,
    DeclaredTotal,
    Dip,
    FiscalDay,
    HourTotal,
    PaymentTotal,
    Totalizer,
)
from ledger.models.entry import Entry, EntryFlag, EntryValues, Kind, Payment
from ledger.models.live import (
    Alarm,
    AlarmAcknowledgement,
    AlarmEvent,
    Delivery,
    NozzleState,
    PumpState,
    SiteStatus,
    TankState,
)
from ledger.models.month import MonthHourTotal, MonthPaymentTotal, MonthSum, MonthTotal
from ledger.models.operations import (
    Adoption,
    IngestWorker,
    Pulse,
    Quarantine,
    QuarantineDecision,
)
from ledger.models.record import RowRecord
from ledger.models.sealing import DaySeal, Explanation
from ledger.models.silence import PointSilence
from ledger.models.site import FuellingPoint, Nozzle, Product, ProductFamily, Site, Tank

__all__ = [
    "Adoption",
    "Alarm",
    "AlarmAcknowledgement",
    "AlarmEvent",
    "AuditEvent",
    "AuditLink",
    "AuditUnlinked",
    "Command",
    "Correction",
    "CorrectionPosting",
    "DaySeal",
    "DayTotal",
    "DeclaredTotal",
    "Delivery",
    "Dip",
    "Entry",
    "EntryFlag",
    "EntryValues",
    "Explanation",
    "FiscalDay",
    "FuellingPoint",
    "HourTotal",
    "IngestWorker",
    "Kind",
    "MonthHourTotal",
    "MonthPaymentTotal",
    "MonthSum",
    "MonthTotal",
    "Nozzle",
    "NozzleState",
    "Payment",
    "PaymentTotal",
    "PointSilence",
    "Product",
    "ProductFamily",
    "Pulse",
    "PumpState",
    "Quarantine",
    "QuarantineDecision",
    "RowRecord",
    "Site",
    "SiteStatus",
    "Tank",
    "TankState",
    "Totalizer",
]
