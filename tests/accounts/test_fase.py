"""The register's shapes, quirks and faults, one by one; the real files are in test_fase_real.py."""

import json

import pytest

from accounts import fase
from accounts.fase import Conflict, Unreadable
from tests.accounts.registers import ROW, read, table

LABELS_2023 = {"name": "Nom de l'établissement", "po_fase": "N° FASE du P.O.", "po_name": "Nom de P.O."}
BOM = b"\xef\xbb\xbf"


def reasons(register):
    return [(rejected.line, rejected.reason) for rejected in register.rejected]


@pytest.mark.parametrize("boms", [0, 1, 2])
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("labels", [None, LABELS_2023])
def test_separator_marks_and_labels_vary_but_the_register_is_the_same(boms, delimiter, labels):
    data = BOM * boms + table({"name": "Rue Haute, 1; bis"}, delimiter=delimiter, labels=labels)
    register = fase.read(data)
    assert register.establishments[1].name == "Rue Haute, 1; bis"
    assert register.pos[9].name == "PO fictif"
    assert register.rejected == register.conflicts == []


@pytest.mark.parametrize(
    "label",
    [
        "N° FASE de l’établissement",
        "  n° fase de l'ETABLISSEMENT ",
        "N°  FASE de l`établissement",
        "Nº FASE de l'établissement",
        "ndeg_fase_de_l_etablissement",
        "ndegfase_de_l_etablissement",
    ],
)
def test_a_label_is_compared_without_case_accents_apostrophes_or_outer_spaces(label):
    assert 1 in read({}, labels={"fase": label}).establishments


@pytest.mark.parametrize("label", ["ndeg_fase_du_p_o", "N° FASE du P.O.", "ndeg_fase_du_po", "N° FASE du PO"])
def test_po_is_written_with_or_without_dots(label):
    assert 9 in read({}, labels={"po_fase": label}).pos


def test_only_five_columns_are_required_and_the_others_are_then_unknown():
    unit = read({}).establishments[1]
    assert (unit.kind, unit.fase, unit.name, unit.network, unit.po) == ("ec", 1, "École A", "WBE", 9)
    assert unit.bce is unit.address is unit.unit_types is unit.levels is unit.sites is None


@pytest.mark.parametrize("missing", list(ROW))
def test_a_missing_column_is_named(missing):
    with pytest.raises(Unreadable, match="Il manque la colonne") as refusal:
        read({}, labels={missing: "Autre chose"})
    assert fase.REQUIRED[missing] in str(refusal.value)


def test_a_column_given_twice_is_refused():
    with pytest.raises(Unreadable, match="Deux colonnes"):
        read({"type": "x"}, labels={"type": "RESEAU"})


@pytest.mark.parametrize("written", ["5464", "5464.0", "005464", " 5464 ", "05464"])
def test_a_number_has_several_spellings(written):
    assert list(read({"fase": written}).establishments) == [5464]


@pytest.mark.parametrize(
    "written",
    ["0", "0.0", "000000", "-5", "+5", "1234567", "0001234", "nan", "inf", "1_000", "1e3", "5464.5", "5464,0"],
)
@pytest.mark.parametrize("column", ["fase", "po_fase", "site_fase"])
def test_a_number_out_of_bounds_or_out_of_form_rejects_its_row_alone(written, column):
    only_the_second_is_read(written, column)


@pytest.mark.parametrize("written", ["٥٤٦٤", "５４６４", "²", "abc", "54 64", "0x10", "9" * 5000])
@pytest.mark.parametrize("column", ["fase", "po_fase", "site_fase"])
def test_a_number_in_another_writing_rejects_its_row_alone(written, column):
    only_the_second_is_read(written, column)


def only_the_second_is_read(written, column):
    register = read({column: written}, {"fase": "2", "site_fase": "7"})
    [(line, reason)] = reasons(register)
    assert line == 2
    assert "de 1 à 999999" in reason
    assert list(register.establishments) == [2]
    assert register.rows == 2


@pytest.mark.parametrize("column", ["fase", "po_fase"])
def test_a_number_that_is_missing_rejects_its_row(column):
    assert len(read({column: ""}, {"fase": "2"}).rejected) == 1


def test_an_establishment_may_have_no_site():
    register = read({"site_fase": "", "site_address": "Rue A"})
    assert register.establishments[1].sites == []
    assert register.sites == {}


def test_a_rejected_row_still_names_its_establishment():
    assert ("ec", 1) in read({"po_fase": "0"}, {"fase": "2"}).mentioned


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"name": ""}, "le nom de l’établissement est vide"),
        ({"po_name": "  "}, "le nom du PO est vide"),
        ({"network": ""}, "le réseau est vide"),
        ({"name": "a" * 251}, "dépasse 250 caractères"),
        ({"name": "bell\x07"}, "caractère de contrôle ou invisible (U+0007)"),
        ({"name": "deux\nlignes"}, "U+000A"),
        ({"name": "droite\u202egauche"}, "U+202E"),
        ({"type": "zéro\u200blargeur"}, "U+200B"),
        ({"bce": "12"}, "numéro BCE « 12 »"),
        ({"bce": "02165903866"}, "dix chiffres"),
        ({"po_bce": "٠٢١٦٦٩٠٧٧٣"}, "dix chiffres"),
        ({"postal_code": "12345678901"}, "code postal"),
    ],
)
def test_a_cell_at_fault_rejects_its_row_with_a_reason(facts, why):
    register = read(facts, {"fase": "2"})
    [(line, reason)] = reasons(register)
    assert line == 2
    assert why in reason
    assert reason.isprintable()
    assert list(register.establishments) == [2]


def test_all_that_is_wrong_with_a_row_is_said_once():
    [(_, reason)] = reasons(read({"fase": "x", "network": "", "po_fase": "0"}, {"fase": "2"}))
    assert reason.count("le réseau est vide") == 1
    assert reason.count(" ; ") == 2


def test_a_reason_never_repeats_what_would_drive_a_terminal():
    [(_, reason)] = reasons(read({"fase": "\x1b[2J\n=1+1"}, {"fase": "2"}))
    assert "\x1b" not in reason
    assert "\n" not in reason


def test_the_line_of_a_rejected_row_counts_the_line_breaks_inside_cells():
    register = read({"name": "deux\nlignes"}, {"fase": "0"}, {"fase": "2"})
    assert [line for line, _ in reasons(register)] == [2, 4]


def test_a_row_too_short_is_rejected_and_an_empty_one_is_ignored():
    lines = table({}, {"fase": "2"}).replace(b"\r\n", b"\n").splitlines()
    data = b"\n".join([lines[0], b"", b",,,,", lines[1], b"3,Courte", lines[2], b"  ,,,,", b""])
    register = fase.read(data)
    assert reasons(register) == [(5, "2 cellules au lieu de 5")]
    assert sorted(register.establishments) == [1, 2]
    assert ("ec", 3) in register.mentioned
    assert register.rows == 3


@pytest.mark.parametrize(
    ("written", "stored"),
    [("216690773", "0216690773"), ("0216690773", "0216690773"), ("216690773.0", "0216690773"), ("", "")],
)
def test_a_bce_number_has_ten_digits(written, stored):
    assert read({"bce": written}).establishments[1].bce == stored


def test_outer_and_doubled_spaces_go_and_accents_take_one_form():
    unit = read({"name": "  E\u0301cole   de\u00a0\u00a0Mons "}).establishments[1]
    assert unit.name == "École de Mons"


def test_types_levels_and_sites_are_collected_over_the_rows():
    rows = [
        {"type": "Primaire ordinaire", "level": "Fondamental", "site_fase": "12"},
        {"type": "Maternel ordinaire", "level": "Fondamental", "site_fase": "12"},
        {"type": "Secondaire ordinaire", "level": "Secondaire", "site_fase": "5"},
        {"type": "", "level": "", "site_fase": "5"},
    ]
    unit = read(*rows).establishments[1]
    assert unit.unit_types == ["Maternel ordinaire", "Primaire ordinaire", "Secondaire ordinaire"]
    assert unit.levels == ["Fondamental", "Secondaire"]
    assert unit.sites == [5, 12]


def test_the_three_spaces_of_numbers_are_kept_apart():
    register = read({"fase": "7", "po_fase": "7", "site_fase": "7"})
    assert (register.establishments[7].kind, register.pos[7].kind) == ("ec", "po")
    assert register.sites[7].fase == 7


def test_two_names_for_one_number_are_a_conflict_and_none_is_chosen():
    register = read({"name": "École A"}, {"name": "École A"}, {"name": "École B"})
    assert register.conflicts == [Conflict("ec", 1, "name", (("École A", 2), ("École B", 4)))]
    assert register.establishments[1].name is None
    assert register.establishments[1].network == "WBE"


@pytest.mark.parametrize(
    ("facts", "kind", "fact"),
    [
        ({"po_fase": "8"}, "ec", "po"),
        ({"fase": "2", "po_name": "Autre"}, "po", "name"),
        ({"fase": "2", "network": "Autre"}, "po", "network"),
        ({"fase": "2", "site_address": "Autre"}, "site", "address"),
    ],
)
def test_other_facts_in_dispute_are_conflicts_too(facts, kind, fact):
    place = {"site_fase": "5", "site_address": "Rue A"}
    register = read(place, place | facts)
    assert [(conflict.kind, conflict.field) for conflict in register.conflicts] == [(kind, fact)]


def test_an_empty_cell_contradicts_nothing():
    register = read({"bce": ""}, {"bce": "0216690773"})
    assert register.conflicts == []
    assert register.establishments[1].bce == "0216690773"


def test_two_spellings_of_one_fact_are_no_conflict():
    register = read({"fase": "01", "name": "École  A"}, {"fase": "1.0", "name": " École A"})
    assert register.conflicts == []
    assert register.establishments[1].name == "École A"


@pytest.mark.parametrize(
    ("data", "said", "line"),
    [
        (b"", "vide", None),
        (BOM * 2 + b" \r\n", "vide", None),
        (table({}).replace(b"cole", b"cole\0"), "octet nul", 2),
        (table({}, {"name": "x"}).replace("École".encode(), b"\xc9cole"), "ligne 2 n’est pas en UTF-8", 2),
        (table({}).decode().encode("utf-16"), "UTF-16", 1),
        (table({}).partition(b"\r\n")[0], "aucune ligne", None),
        (
            table({}, {}) + b'3,"jamais ferm\xc3\xa9,WBE,9,PO\r\n4,B,WBE,9,PO\r\n',
            "La ligne 4 ne se lit pas",
            4,
        ),
        (b"x" * 200_000 + b"\n1", "cellule démesurée", 1),
        (b"\x89PNG\r\n\x1a\n" + b"\xff" * 50, "ligne 1 n’est pas en UTF-8", 1),
        (b"[", "JSON", 1),
        (b"[" * 100_000, "imbriqué", None),
        (b"{}", "liste d’enregistrements", None),
        (b"[1, 2]", "liste d’enregistrements", None),
        (b'[{"a": 1}, 2]', "enregistrement 2", 2),
        (b'[{"a": 1}]', "Il manque les colonnes", 1),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_a_file_at_fault_is_refused_and_the_line_is_named(data, said, line):
    with pytest.raises(Unreadable) as refusal:
        fase.read(data)
    assert said in str(refusal.value)
    assert refusal.value.line == line
    assert len(str(refusal.value)) < 400


def record(**facts):
    return {
        "ndeg_fase_de_l_etablissement": 4.0,
        "nom_d_etablissement": "École",
        "reseau": "WBE",
        "ndeg_fase_du_po": 9.0,
        "nom_du_po": "PO",
        "pointgeo": {"lon": 4.2, "lat": 50.8},
        "latitude": None,
    } | facts


def test_the_api_gives_records_under_results_too():
    assert 4 in fase.read(json.dumps({"total_count": 1, "results": [record()]}).encode()).establishments


@pytest.mark.parametrize(
    "facts",
    [
        {"ndeg_fase_de_l_etablissement": float("nan")},
        {"ndeg_fase_de_l_etablissement": 4.5},
        {"ndeg_fase_de_l_etablissement": True},
        {"ndeg_fase_de_l_etablissement": 10**30},
        {"ndeg_fase_de_l_etablissement": {"n": 4}},
        {"nom_d_etablissement": None},
        {"nom_d_etablissement": "\ud800"},
    ],
)
def test_a_record_at_fault_is_rejected_by_its_rank(facts):
    register = fase.read(json.dumps([record(ndeg_fase_de_l_etablissement=5), record(**facts)]).encode())
    assert [line for line, _ in reasons(register)] == [2]
    assert list(register.establishments) == [5]


def test_reading_leaves_the_garbage_collector_as_it_was():
    import gc

    read({})
    assert gc.isenabled()
    with pytest.raises(Unreadable):
        fase.read(b"")
    assert gc.isenabled()
