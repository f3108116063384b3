"""All tables, imported so that the base knows them."""

from court.accounts import models as accounts
from court.audit import models as audit
from court.cases import models as cases
from court.exhibits import models as exhibits
from court.filings import models as filings
from court.hearings import consultation_models as consultations
from court.hearings import models as hearings
from court.records import models as records
from court.transcripts import models as transcripts

TABLES = (accounts, audit, cases, consultations, exhibits, filings, hearings, records, transcripts)
