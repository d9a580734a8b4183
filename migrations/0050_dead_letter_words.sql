-- replaced: an operator sent a changed copy in its place.
ALTER TYPE dead_letter_status ADD VALUE 'replaced';
