//! Parquet files as lines of JSON, and back. A file of a stranger's is read on bounded threads (bounded_thread.rs): what its
//! header says of sizes is believed by the library, and an allocation that fails would end the program.

use std::fs::File;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_json::{LineDelimitedWriter, ReaderBuilder};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::{compute_leaves, ArrowColumnChunk, ArrowRowGroupWriterFactory};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use serde_json::Value;

use crate::{bounded_thread, Failure};

/// Rows that are read or decoded at once, where they are short; fewer, where a row group says that they are long.
const ROWS_AT_A_TIME: usize = 1024;
const BYTES_AT_A_TIME: i64 = 1 << 20;
const DEPTH_MAX: usize = 64;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ReadLimits {
    memory_bytes_max: usize,
    wait_ms_max: u32,
}

pub struct ParquetReader {
    state: Arc<Mutex<ReaderState>>,
    limits: ReadLimits,
}

struct ReaderState {
    file: File,
    metadata: ArrowReaderMetadata,
    next_group: usize,
    rows: Option<ParquetRecordBatchReader>,
}

impl ParquetReader {
    pub fn open(path: &str, limits: ReadLimits) -> Result<Self, Failure> {
        let path = path.to_string();
        let state = bounded(limits, move || ReaderState::open(&path))?;
        Ok(ParquetReader { state: Arc::new(Mutex::new(state)), limits })
    }

    /// The next rows as lines; empty at the end.
    pub fn read(&self) -> Result<Vec<u8>, Failure> {
        let state = self.state.clone();
        bounded(self.limits, move || match state.lock() {
            Ok(mut state) => state.read(),
            Err(_) => Err(Failure::invalid("an earlier read failed")),
        })
    }
}

fn bounded<T: Send + 'static>(
    limits: ReadLimits,
    work: impl Fn() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let work = move || {
        bounded_thread::allow_memory(limits.memory_bytes_max);
        work()
    };
    bounded_thread::run(Duration::from_millis(limits.wait_ms_max.into()), work, |_, _| ())
}

impl ReaderState {
    fn open(path: &str) -> Result<Self, Failure> {
        let file = File::open(path).map_err(Failure::invalid)?;
        // The types that Arrow's own header tells are none that JSON would show: only one more thing to be wrong.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(Failure::invalid)?;
        if metadata.schema().fields().iter().any(|field| depth(field.data_type()) > DEPTH_MAX) {
            return Err(Failure::invalid(format!("its columns are nested more than {DEPTH_MAX} deep")));
        }
        // Zones by name would need their whole table, and Parquet knows only this one.
        let fields: Vec<Field> = metadata.schema().fields().iter().map(|field| with_offsets(field)).collect();
        let options =
            ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_schema(Arc::new(Schema::new(fields)));
        let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options).map_err(Failure::invalid)?;
        Ok(ReaderState { file, metadata, next_group: 0, rows: None })
    }

    fn read(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            if self.rows.is_none() && !self.begin_group()? {
                return Ok(Vec::new());
            }
            match self.rows.as_mut().and_then(Iterator::next) {
                None => self.rows = None,
                Some(batch) => {
                    let lines = lines_of(&batch.map_err(Failure::invalid)?)?;
                    if !lines.is_empty() {
                        return Ok(lines);
                    }
                }
            }
        }
    }

    fn begin_group(&mut self) -> Result<bool, Failure> {
        let groups = self.metadata.metadata().row_groups();
        let Some(group) = groups.get(self.next_group) else { return Ok(false) };
        let row_bytes = group.total_byte_size().max(0) / group.num_rows().max(1);
        let row_count = (BYTES_AT_A_TIME / row_bytes.max(1)).clamp(1, ROWS_AT_A_TIME as i64) as usize;
        let file = self.file.try_clone().map_err(Failure::invalid)?;
        let rows = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_row_groups(vec![self.next_group])
            .with_batch_size(row_count)
            .build()
            .map_err(Failure::invalid)?;
        self.rows = Some(rows);
        self.next_group += 1;
        Ok(true)
    }
}

fn depth(data_type: &DataType) -> usize {
    let deepest = match data_type {
        DataType::List(field) | DataType::LargeList(field) | DataType::Map(field, _) => depth(field.data_type()),
        DataType::FixedSizeList(field, _) => depth(field.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| depth(field.data_type())).max().unwrap_or(0),
        _ => 0,
    };
    1 + deepest
}

/// Times in the zone "UTC" are those at "+00:00".
fn with_offsets(field: &Field) -> Field {
    let inner = |field: &Arc<Field>| Arc::new(with_offsets(field));
    let data_type = match field.data_type() {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        DataType::List(item) => DataType::List(inner(item)),
        DataType::LargeList(item) => DataType::LargeList(inner(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(inner(item), *size),
        DataType::Map(entries, is_sorted) => DataType::Map(inner(entries), *is_sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

fn lines_of(batch: &RecordBatch) -> Result<Vec<u8>, Failure> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(batch).map_err(Failure::invalid)?;
    writer.finish().map_err(Failure::invalid)?;
    Ok(writer.into_inner())
}

pub struct ParquetWriter {
    schema: SchemaRef,
    factory: ArrowRowGroupWriterFactory,
    /// None: finished.
    file: Mutex<Option<SerializedFileWriter<File>>>,
}

/// A row group's columns, encoded and compressed.
pub struct EncodedRows {
    columns: Vec<ArrowColumnChunk>,
}

impl ParquetWriter {
    /// `schema`: {"type": "struct", "fields": [{"name", "type", …}]}, see the header.
    pub fn create(path: &str, schema: &str) -> Result<Self, Failure> {
        let root: Value = serde_json::from_str(schema).map_err(Failure::invalid)?;
        let DataType::Struct(fields) = data_type(&root)? else {
            return Err(Failure::invalid("a schema is a struct"));
        };
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).map_err(Failure::invalid)?))
            .set_created_by("pelton".to_string())
            .build();
        let parquet_schema = ArrowSchemaConverter::new().convert(&schema).map_err(Failure::invalid)?;
        let file = File::create(path).map_err(Failure::invalid)?;
        let writer = SerializedFileWriter::new(file, parquet_schema.root_schema_ptr(), Arc::new(properties))
            .map_err(Failure::invalid)?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, schema.clone());
        Ok(ParquetWriter { schema, factory, file: Mutex::new(Some(writer)) })
    }

    pub fn encode(&self, lines: &str) -> Result<EncodedRows, Failure> {
        let mut decoder = ReaderBuilder::new(self.schema.clone())
            .with_batch_size(ROWS_AT_A_TIME)
            .build_decoder()
            .map_err(Failure::invalid)?;
        let mut columns = self.factory.create_column_writers(0).map_err(Failure::invalid)?;
        let mut rest = lines.as_bytes();
        loop {
            let taken = decoder.decode(rest).map_err(Failure::invalid)?;
            rest = &rest[taken..];
            let Some(batch) = decoder.flush().map_err(Failure::invalid)? else { break };
            let mut writers = columns.iter_mut();
            for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
                for leaf in compute_leaves(field, column).map_err(Failure::invalid)? {
                    let writer = writers.next().ok_or_else(|| Failure::invalid("more columns than the schema has"))?;
                    writer.write(&leaf).map_err(Failure::invalid)?;
                }
            }
        }
        let columns = columns.into_iter().map(|column| column.close()).collect::<Result<Vec<_>, _>>();
        Ok(EncodedRows { columns: columns.map_err(Failure::invalid)? })
    }

    pub fn append(&self, rows: EncodedRows) -> Result<(), Failure> {
        let mut file = self.file.lock().map_err(|_| Failure::invalid("an earlier write failed"))?;
        let file = file.as_mut().ok_or_else(|| Failure::invalid("it is finished"))?;
        let mut group = file.next_row_group().map_err(Failure::invalid)?;
        for column in rows.columns {
            column.append_to_row_group(&mut group).map_err(Failure::invalid)?;
        }
        group.close().map_err(Failure::invalid)?;
        Ok(())
    }

    pub fn finish(&self) -> Result<(), Failure> {
        let mut file = self.file.lock().map_err(|_| Failure::invalid("an earlier write failed"))?;
        let file = file.take().ok_or_else(|| Failure::invalid("it is finished"))?;
        file.close().map_err(Failure::invalid)?;
        Ok(())
    }
}

fn data_type(value: &Value) -> Result<DataType, Failure> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    Ok(match text("type") {
        "bool" => DataType::Boolean,
        "int" => DataType::Int64,
        "double" => DataType::Float64,
        "text" => DataType::Utf8,
        "list" => {
            let item = value.get("item").ok_or_else(|| Failure::invalid("a list without an item"))?;
            DataType::List(Arc::new(Field::new("element", data_type(item)?, true)))
        }
        "struct" => {
            let fields = value.get("fields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let field = |field: &Value| -> Result<Field, Failure> {
                let name = field.get("name").and_then(Value::as_str).unwrap_or_default();
                Ok(Field::new(name, data_type(field)?, true))
            };
            DataType::Struct(fields.iter().map(field).collect::<Result<Vec<_>, Failure>>()?.into())
        }
        other => return Err(Failure::invalid(format!("no such type: {other}"))),
    })
}
