use super::file::{File, Harm};
use super::*;
use crate::chance::Chance;
use postrider_engine::{
    Change, CommitError, Endpoint, EndpointId, EndpointSecret, EndpointSpec, EndpointStatus,
    Health, Receipt, Secret, Wall,
};

const TOTAL: Harm = Harm {
    kept_percent: 0,
    harms_neighbours: false,
};

fn rolls() -> Rolls {
    Chance::new(1).of("test", 0, 0)
}

fn read(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.bytes()];
    assert_eq!(file.read(0, &mut bytes), bytes.len());
    bytes
}

fn endpoint(number: u128) -> Change {
    Change::AddEndpoint(Box::new(Endpoint {
        id: EndpointId::from_u128(number),
        spec: EndpointSpec::new("https://example.com/hooks").into(),
        secrets: vec![EndpointSecret {
            secret: Secret::generate_hmac([7; 32]),
            expires_at: None,
        }],
        status: EndpointStatus::Active,
        health: Health::default(),
        created_at: Wall(1),
        revision: 1,
    }))
}

fn endpoints(disk: &Disk) -> usize {
    let mut file = disk.open_store().unwrap();
    file.recover().unwrap().endpoints.len()
}

#[test]
fn what_was_synced_is_all_that_a_total_loss_leaves() {
    let mut file = File::default();
    file.write(0, b"synced");
    file.sync();
    file.write(0, b"cached");
    file.write(600, b"more");
    assert_eq!(
        (read(&file).len(), &read(&file)[..6]),
        (604, &b"cached"[..])
    );
    file.lose(TOTAL, &mut rolls());
    // The file may have become longer by a sector of nothing.
    assert_eq!(&read(&file)[..6], b"synced");
    assert!(read(&file)[6..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_write_is_torn_between_sectors_alone() {
    let harm = Harm {
        kept_percent: 50,
        harms_neighbours: false,
    };
    let mut torn = 0;
    for seed in 0..20 {
        let mut file = File::default();
        file.write(0, &[1; 4_096]);
        file.sync();
        file.write(0, &[2; 4_096]);
        file.lose(harm, &mut Chance::new(seed).of("tear", 0, 0));
        let left = read(&file);
        let sectors: Vec<&[u8]> = left.chunks(file::SECTOR_BYTES).collect();
        assert!(
            sectors
                .iter()
                .all(|it| it.iter().all(|byte| *byte == it[0]))
        );
        torn += usize::from(left.contains(&1) && left.contains(&2));
    }
    assert!(torn > 10, "{torn}");
}

#[test]
fn what_a_failed_sync_has_lost_no_later_sync_brings_back() {
    let mut lost = 0;
    for seed in 0..20 {
        let mut rolls = Chance::new(seed).of("vain", 0, 0);
        let mut file = File::default();
        file.write(0, b"x");
        file.sync_in_vain(&mut rolls);
        file.sync();
        assert_eq!(read(&file), b"x");
        file.lose(TOTAL, &mut rolls);
        lost += usize::from(read(&file).is_empty());
    }
    assert!((1..20).contains(&lost), "{lost}");
}

#[test]
fn a_kill_keeps_what_was_written_and_a_loss_of_power_after_it_does_not() {
    let mut image = Image::default();
    let number = image.make("a");
    image.file(number).write(0, b"x");
    let killed = image.after(Loss::Process, false, &mut rolls());
    assert_eq!(killed.bytes_of("a"), Some(1));
    let gone = (0..20).filter(|seed| {
        let mut rolls = Chance::new(*seed).of("power", 0, 0);
        killed
            .after(Loss::Power, false, &mut rolls)
            .bytes_of("a")
            .is_none()
    });
    assert!(gone.count() > 5);
}

#[test]
fn a_name_that_was_not_synced_may_be_lost_although_its_file_was() {
    let mut image = Image::default();
    let number = image.make("a");
    image.file(number).sync();
    let left = |image: &Image, seed| {
        let mut rolls = Chance::new(seed).of("power", 0, 0);
        image.after(Loss::Power, false, &mut rolls).bytes_of("a")
    };
    assert!((0..20).any(|seed| left(&image, seed).is_none()));
    image.sync_directory();
    assert!((0..20).all(|seed| left(&image, seed).is_some()));
}

#[test]
fn the_store_finds_on_a_disk_what_it_has_put_there() {
    let disk = Disk::new(Chance::new(1));
    let mut file = disk.open_store().unwrap();
    assert_eq!(file.commit(&[endpoint(1)]), [Ok(Receipt::Applied)]);
    let image = disk.image();
    disk.crash();
    drop(file);
    for loss in [Loss::Process, Loss::Power] {
        let left = Disk::of(disk.left(&image, loss, &mut rolls()), Chance::new(1));
        assert_eq!(endpoints(&left), 1);
    }
}

#[test]
fn disks_know_nothing_of_each_other() {
    std::thread::scope(|scope| {
        for count in 1..4_u128 {
            scope.spawn(move || {
                let disk = Disk::new(Chance::new(1));
                let mut file = disk.open_store().unwrap();
                for number in 0..count {
                    assert_eq!(file.commit(&[endpoint(number)]), [Ok(Receipt::Applied)]);
                }
                drop(file);
                assert_eq!(endpoints(&disk) as u128, count);
            });
        }
    });
}

#[test]
fn a_disk_that_is_gone_opens_nothing() {
    let name = Disk::new(Chance::new(1)).file_name();
    let keys = postrider::store::sqlite::KeyRing::new(["00".repeat(32).as_str()]).unwrap();
    let opened = postrider::store::sqlite::SqliteFile::open_on(FILE_SYSTEM, &name, keys);
    assert!(opened.is_err());
}

#[test]
fn a_full_disk_takes_nothing_until_there_is_room_again() {
    let disk = Disk::new(Chance::new(1));
    let mut file = disk.open_store().unwrap();
    disk.set(Trouble::Full(0));
    assert_eq!(file.commit(&[endpoint(1)]), [Err(CommitError::Full)]);
    disk.set(Trouble::None);
    assert_eq!(file.commit(&[endpoint(2)]), [Ok(Receipt::Applied)]);
    drop(file);
    assert_eq!(endpoints(&disk), 1);
}

#[test]
fn after_a_crash_nothing_works_any_more() {
    let disk = Disk::new(Chance::new(1));
    let mut file = disk.open_store().unwrap();
    disk.set(Trouble::CrashAt(disk.operations() + 1));
    let failed =
        |answers: Vec<Result<_, CommitError>>| matches!(answers[..], [Err(CommitError::Failed(_))]);
    assert!(failed(file.commit(&[endpoint(1)])));
    assert!(disk.has_crashed() && !disk.has_synced_in_vain());
    disk.set(Trouble::None);
    assert!(failed(file.commit(&[endpoint(1)])));
}
