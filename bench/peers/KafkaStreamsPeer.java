import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The simple job (simple_job.py) on Kafka Streams: state in RocksDB with changelog topics; the guarantee is an argument, all else is its
 * default. Profiles are cached, as the DSL does: a customer's profile goes to RocksDB and the changelog once a commit, not once an event.
 *
 * <p>java KafkaStreamsPeer BOOTSTRAP INPUT OUTPUT FOLDER at_least_once|exactly_once_v2
 */
public final class KafkaStreamsPeer {
  private static final ObjectMapper JSON = new ObjectMapper();

  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Touchpoint(String event_id, String type, String occurred_at, Bought payload) {}

  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Bought(long total_minor, String currency) {}

  public record Published(String event_id, String type, long points, Profile profile) {}

  public static final class Profile {
    public Map<String, Long> counts = new TreeMap<>();
    public Map<String, Long> spend_minor = new TreeMap<>();
    public long points;
    public String last_seen = "";

    Published apply(Touchpoint touchpoint) {
      long earned = 0;
      counts.merge(touchpoint.type, 1L, Long::sum);
      if (touchpoint.type.equals("purchase")) {
        earned = touchpoint.payload.total_minor / 100;
        spend_minor.merge(touchpoint.payload.currency, touchpoint.payload.total_minor, Long::sum);
        points += earned;
      }
      if (touchpoint.occurred_at.compareTo(last_seen) > 0) {
        last_seen = touchpoint.occurred_at;
      }
      return new Published(touchpoint.event_id, touchpoint.type, earned, this);
    }
  }

  static final class TakeIn implements Processor<String, Touchpoint, String, Published> {
    private ProcessorContext<String, Published> context;
    private KeyValueStore<String, byte[]> seen;
    private KeyValueStore<String, Profile> profiles;
    private static volatile boolean begun;

    @Override
    public void init(ProcessorContext<String, Published> context) {
      this.context = context;
      seen = context.getStateStore("seen");
      profiles = context.getStateStore("profiles");
    }

    @Override
    public void process(Record<String, Touchpoint> record) {
      if (!begun) {
        begun = true;
        System.out.println("begun");
      }
      if (seen.putIfAbsent(record.value().event_id, new byte[] {1}) != null) {
        return;
      }
      Profile known = profiles.get(record.key());
      Profile profile = known == null ? new Profile() : known;
      Published published = profile.apply(record.value());
      profiles.put(record.key(), profile);
      context.forward(record.withValue(published));
    }
  }

  static <T> Serde<T> json(Class<T> type) {
    return Serdes.serdeFrom(
        (topic, value) -> {
          try {
            return value == null ? null : JSON.writeValueAsBytes(value);
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        },
        (topic, bytes) -> {
          try {
            return bytes == null ? null : JSON.readValue(bytes, type);
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        });
  }

  public static void main(String[] arguments) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[2]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[3]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, arguments[4]);
    settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");

    Topology topology = new Topology();
    topology.addSource("touchpoints", Serdes.String().deserializer(), json(Touchpoint.class).deserializer(), arguments[1]);
    topology.addProcessor("take-in", TakeIn::new, "touchpoints");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("seen"), Serdes.String(), Serdes.ByteArray()), "take-in");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("profiles"), Serdes.String(), json(Profile.class)).withCachingEnabled(),
        "take-in");
    topology.addSink("published", arguments[2], Serdes.String().serializer(), json(Published.class).serializer(), "take-in");

    KafkaStreams streams = new KafkaStreams(topology, settings);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
