"""Annotations of a person's own images, read into rows or a `Reading`. Nothing here looks for images or annotations.

Tables. delimited.py (with attribute_list.py and headless.py), workbook.py, parquet.py and json_records.py (with
pandas_json.py) read a file into records; `columns.rows_of` finds what the columns of a `Table` (records.py) hold, in
this order:

1. image_column.py finds the images, split_column.py the column of splits, which split_values.py reads; column_names.py
   has the names that columns have.
2. The labels are in a column with a row for each label (long_table.py), in one or several columns whose cells hold them
   (label_columns.py, which looks at recurring.py; cells.py), or there is a column for each label (one_hot.py).
   review_columns.py has the names of columns that are likely no labels.
3. In cells, texts are split (separator.py, blanks.py, commas_inside.py, quotes.py, bullets.py, torn_labels.py), but
   where the layout has one label in a cell (one_per_cell.py); labels are looked for in lists and objects
   (nested_labels.py, label_keys.py).
4. Labels that do not apply are left out: denied by the value of another column (denying_columns.py), or by a word of
   their own, as in "dog: no" (denied_labels.py). label_numbers.py refuses counts and scores that stand for labels.

Words: yes_no.py, no_labels.py and nothing_among_labels.py (none, NA), splits.py (train, valid), numbers.py (0,93 and
93 %).

Files of tools. coco_json.py; tools.py for Label Studio, VIA, FiftyOne, Datumaro and CVAT; superannotate.py; prodigy.py;
unread_exports.py says what to do about others. A file per image: voc_xml.py, yolo.py (with yolo_settings.py),
image_json.py, sidecars.py. No file at all: folders.py (with folder_names.py). Beside annotations: image_lists.py for
splits, names_file.py for classes. Lists without a header: blank_lists.py. text.py and xml.py read files in any
encoding.
"""
