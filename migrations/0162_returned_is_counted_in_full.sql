-- All refunds are counted: the mark on those of before goes, and with it the exception for them.
SET LOCAL lock_timeout = '4s';
DROP TRIGGER refunds_count_back ON refunds;
CREATE TRIGGER refunds_count_back AFTER UPDATE OF status ON refunds
    FOR EACH ROW WHEN (NEW.status = 'refused' AND OLD.status <> 'refused') EXECUTE FUNCTION count_refund_back();
ALTER TABLE refunds DROP COLUMN is_counted;
