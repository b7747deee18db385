//! kill -9 in mid-load: what was acknowledged is there, and nothing was done twice.

use keyledger_service::Service;
use tokio::runtime::{Builder, Runtime};

use crate::{
    load::{Load, nothing_lost_nothing_twice},
    world::World,
};

const SENDERS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let mut world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let load = Load::start(&admin, SENDERS);
    for _ in 0..2 {
        load.more(200).await;
        world.server.kill9();
        world.server.restart().await;
    }
    load.more(200).await;
    let acks = load.finish().await;
    nothing_lost_nothing_twice(&world, &admin, &acks).await;
    service.stop().await;
}

/// An instance that can be lost as if its process were killed.
struct Mortal {
    runtime: Runtime,
    service: Service,
}

impl Mortal {
    async fn start(world: &World) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let start = Service::start(world.options());
        let service = runtime.spawn(start).await.unwrap().unwrap();
        Self { runtime, service }
    }

    /// Every task ends where it stands, and the connections with them.
    fn kill(self) {
        self.runtime.shutdown_background();
        drop(self.service);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_service_loses_nothing_that_was_acknowledged() {
    let world = World::new().await;
    let admin = world.administrator().await;
    let mut instance = Mortal::start(&world).await;
    let load = Load::start(&admin, SENDERS);
    for _ in 0..3 {
        load.more(200).await;
        instance.kill();
        instance = Mortal::start(&world).await;
    }
    load.more(200).await;
    let acks = load.finish().await;
    nothing_lost_nothing_twice(&world, &admin, &acks).await;
    instance.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_instances_killed_is_not_noticed() {
    let world = World::new().await;
    let admin = world.administrator().await;
    let (first, second) = (Mortal::start(&world).await, Mortal::start(&world).await);
    let load = Load::start(&admin, SENDERS);
    load.more(200).await;
    first.kill();
    load.more(400).await;
    let acks = load.finish().await;
    nothing_lost_nothing_twice(&world, &admin, &acks).await;
    second.kill();
}
