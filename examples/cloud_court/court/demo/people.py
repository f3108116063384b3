"""The people of the demonstration: role, name, phone, identity number, and the office of those who are not staff."""

PASSWORD = "yunfating-demo"
STAFF = (
    ("judge", "王法官", "13800000001", "110105198001000010"),
    ("clerk", "李书记员", "13800000002", "110105198001000029"),
    ("technician", "赵技术员", "13800000003", "110105198001000037"),
)
PEOPLE = (
    ("plaintiff", "张三", "13800000011", "110105198001000045", "person"),
    ("defendant", "李四", "13800000012", "110105198001000053", "person"),
    ("lawyer", "陈律师", "13800000013", "110105198001000061", "lawyer"),
    ("witness", "周证人", "13800000014", "11010519800100007X", "person"),
    ("interpreter", "林译员", "13800000015", "110105198001000088", "person"),
    ("gallery", "旁听人员", "13800000016", "110105198001000096", "person"),
    ("courtroom", "第一法庭", "13800000017", "110105198001000109", "person"),
)
